// The TLS settings of a connection. They say which authorities to trust and which client
// certificate to show. Their files are read once, when the agent (the undici dispatcher) is
// created.

import { readFileSync } from 'node:fs'
import type { SecureContext, SecureContextOptions } from 'node:tls'
import { ProxyError } from '../../errors.ts'

export interface TlsOptions {
  /**
   * How to verify the server's certificate. With `true`, the default, the authorities that the
   * system trusts count. A string is the path of a PEM file, and only the authorities in this file
   * count. `false` accepts every certificate. Then anybody on the network path can read and change
   * all data, also tokens.
   */
  verify?: boolean | string | undefined
  /**
   * The path of a PEM file with authorities to trust, in addition to the authorities of `verify`
   * (default: none).
   */
  ca?: string | undefined
  /** The path of the client certificate, a PEM file. Some servers ask for one (default: none). */
  cert?: string | undefined
  /** The path of the client certificate's key, a PEM file (default: the file of `cert`). */
  key?: string | undefined
}

export interface TlsSettings {
  rejectUnauthorized?: boolean
  secureContext?: SecureContext
}

/** @throws ProxyError `ERR_CONFIG` if a file cannot be used */
export async function tlsSettings(options: TlsOptions): Promise<TlsSettings> {
  const { verify = true, ca, cert, key = cert } = options
  const result: TlsSettings = verify === false ? { rejectUnauthorized: false } : {}
  const bundle = typeof verify === 'string' ? verify : undefined
  if ((bundle ?? ca ?? key) === undefined) return result

  const tls: Tls = (await import('node:tls')).default
  const contents: SecureContextOptions = {}
  const trusted: string[] = []
  if (bundle !== undefined) trusted.push(await readCertificates('--verify-ssl', bundle))
  else if (ca !== undefined) trusted.push(...systemCertificates(tls))
  if (ca !== undefined) trusted.push(await readCertificates('--ca', ca))
  if (trusted.length > 0) contents.ca = trusted
  if (key !== undefined) {
    if (cert === undefined) throw new ProxyError('ERR_CONFIG', `--key ${key} needs --cert as well`)
    contents.cert = read('--cert', cert)
    contents.key = read('--key', key)
  }
  try {
    // All connections share one context, because creating one reads all root certificates, which
    // takes 20 ms.
    result.secureContext = tls.createSecureContext(contents)
    return result
  } catch (cause) {
    const message = `--cert ${cert} and --key ${key} are not a certificate and its key (PEM)`
    throw new ProxyError('ERR_CONFIG', message, { cause })
  }
}

/**
 * Node 22.15 and later can list the authorities that the system trusts. An older Node has only its
 * built-in root certificates.
 */
type Tls = typeof import('node:tls') & { getCACertificates?(type: 'default'): string[] }

const systemCertificates = (tls: Tls): readonly string[] =>
  tls.getCACertificates?.('default') ?? tls.rootCertificates

async function readCertificates(flag: string, file: string): Promise<string> {
  const text = read(flag, file)
  const { X509Certificate } = await import('node:crypto')
  try {
    // node:tls ignores a text that is not a certificate. Then no server would be trusted, so check
    // here.
    new X509Certificate(text)
    return text
  } catch (cause) {
    throw new ProxyError('ERR_CONFIG', `${flag} ${file} holds no certificate (PEM)`, { cause })
  }
}

function read(flag: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new ProxyError('ERR_CONFIG', `${flag} ${file} cannot be read`, { cause })
  }
}
