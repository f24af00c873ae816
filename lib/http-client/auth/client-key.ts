// Proves the identity of the proxy to an authorization server with a signature: the method
// `private_key_jwt` (RFC 7523, section 2.2). The key never leaves this process.

import type { JsonWebKey, KeyObject } from 'node:crypto'
import type { ClientAuth } from 'oauth4webapi'
import { ProxyError } from '../../errors.ts'

export interface ClientKeyOptions {
  /** A private key in PEM, or as a JWK in JSON. Its `kid` is in the header of each signature. */
  key: string
  /** The algorithms that the server accepts (default: unknown). */
  algorithms?: readonly string[] | undefined
  /** Names the receiver of the signature (default: the issuer). */
  audience?: string | undefined
}

/** @throws ProxyError `ERR_CONFIG` if the proxy cannot use the key. The text does not show the key */
export async function signedByKey(options: ClientKeyOptions): Promise<ClientAuth> {
  const { algorithms = [], audience } = options
  const { key, kid } = await readKey(options.key)
  const oauth = await import('oauth4webapi')
  const algorithm = algorithmOf(key, algorithms)
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' })
  const signer = await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign'])
  return oauth.PrivateKeyJwt(
    { key: signer, ...(kid !== undefined && { kid }) },
    {
      [oauth.modifyAssertion]: (header, payload) => {
        // The older name of the same algorithm (RFC 8037), which more servers know.
        if (header.alg === 'Ed25519' && !algorithms.includes('Ed25519')) header.alg = 'EdDSA'
        if (audience !== undefined) payload.aud = audience
      }
    }
  )
}

async function readKey(text: string): Promise<{ key: KeyObject; kid: string | undefined }> {
  const { createPrivateKey } = await import('node:crypto')
  try {
    if (!text.trimStart().startsWith('{')) return { key: createPrivateKey(text), kid: undefined }
    const jwk = JSON.parse(text) as JsonWebKey & { kid?: unknown }
    const kid = typeof jwk.kid === 'string' ? jwk.kid : undefined
    return { key: createPrivateKey({ key: jwk, format: 'jwk' }), kid }
  } catch {
    // The error has no cause, because that may show a part of the key.
    throw keyError('it is no private key in PEM or JWK without a password')
  }
}

const curves: Record<string, string> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521'
}

interface Algorithm {
  name: string
  hash?: string
  namedCurve?: string
}

function algorithmOf(key: KeyObject, accepted: readonly string[]): Algorithm {
  const { asymmetricKeyType: type, asymmetricKeyDetails: { namedCurve: curve = '' } = {} } = key
  if (type === 'ed25519') return { name: 'Ed25519' }
  const namedCurve = curves[curve]
  if (namedCurve !== undefined) return { name: 'ECDSA', namedCurve }
  if (type === 'rsa') {
    const isPss = accepted.includes('PS256') && !accepted.includes('RS256')
    return { name: isPss ? 'RSA-PSS' : 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  }
  throw keyError('its type is not RSA, EC or Ed25519')
}

const keyError = (reason: string): ProxyError =>
  new ProxyError('ERR_CONFIG', `the key of the client cannot be used: ${reason}`)
