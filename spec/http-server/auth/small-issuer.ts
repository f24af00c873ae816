// A small OAuth issuer. It can do what a real one does not: sign wrong tokens, replace its keys, answer
// wrongly, and go away.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { CompactSign, exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { CryptoKey, JWK, JWTHeaderParameters } from 'jose'
import type { Test } from 'tap'

export interface SmallIssuer {
  url: string
  /** The path and the method of each request. */
  requests: string[]
  /** The public keys that the issuer shows. */
  keys: JWK[]
  /** Answers that win over those of the issuer: path → status and body. */
  answers: Map<string, (request: IncomingMessage, form: URLSearchParams) => Answer>
  /** Signs a token. A claim that is undefined is left out. */
  sign(claims?: Claims, header?: Partial<JWTHeaderParameters>): Promise<string>
  /** Signs any text as the payload of a token. */
  signText(payload: string): Promise<string>
  /** Makes a new key. Later tokens have it. The keys that the issuer shows do not change. */
  newKey(alg?: string): Promise<JWK>
  stop(): Promise<void>
  start(): Promise<void>
}

export type Claims = Record<string, unknown>

export type Answer = { status?: number; body: string | object } | 'silence'

export const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds

/** Starts an issuer at a free port of 127.0.0.1. It stops at the end of the test. */
export async function startIssuer(t: Test, path = ''): Promise<SmallIssuer> {
  const requests: string[] = []
  const answers: SmallIssuer['answers'] = new Map()
  let count = 0
  let signing: { key: CryptoKey; alg: string; kid: string }
  let server: Server
  let port = 0

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const asked = request.url as string
    requests.push(`${request.method} ${asked}`)
    const form = new URLSearchParams(await text(request))
    const metadata = { issuer: issuer.url, jwks_uri: `http://127.0.0.1:${port}/keys` }
    const usual: Record<string, object> = {
      [`/.well-known/oauth-authorization-server${path}`]: metadata,
      '/keys': { keys: issuer.keys }
    }
    const answer = answers.get(asked)?.(request, form) ?? { body: usual[asked] ?? 404 }
    if (answer === 'silence') return
    const { status = answer.body === 404 ? 404 : 200, body } = answer as {
      status?: number
      body: unknown
    }
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }

  const issuer: SmallIssuer = {
    url: '',
    requests,
    keys: [],
    answers,
    async newKey(alg = 'ES256') {
      const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
      const kid = `key-${++count}`
      signing = { key: privateKey, alg, kid }
      return { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }
    },
    sign(claims = {}, header = {}) {
      const { key, alg, kid } = signing
      const all = { iss: issuer.url, sub: 'alice', exp: inSeconds(300), ...claims }
      return new SignJWT(all).setProtectedHeader({ alg, kid, typ: 'at+jwt', ...header }).sign(key)
    },
    signText(payload) {
      const { key, alg, kid } = signing
      return new CompactSign(Buffer.from(payload)).setProtectedHeader({ alg, kid }).sign(key)
    },
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
    async start() {
      server = createServer((request, response) => void handle(request, response))
      await once(server.listen(port, '127.0.0.1'), 'listening')
      port = (server.address() as AddressInfo).port
      issuer.url = `http://127.0.0.1:${port}${path}`
    }
  }
  await issuer.start()
  issuer.keys = [await issuer.newKey()]
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return issuer
}
