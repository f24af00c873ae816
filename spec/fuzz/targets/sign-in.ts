// The whole sign-in, at a server that answers each request with the next part of the input. The person
// consents at once, wherever the server sends the browser. The sign-in must end: with a token that can be
// a header, or with an error that is one line and has no secret.

import { once } from 'node:events'
import { createServer, get, validateHeaderValue } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe } from '../../../lib/errors.ts'
import { SignIn } from '../../../lib/http-client/auth/sign-in.ts'
import { nextResponse } from '../inputs/http.ts'
import { originMark, signInAnswers } from '../inputs/sign-in.ts'
import { secret } from '../inputs/words.ts'
import { expect, target } from '../target.ts'
import type { Target } from '../target.ts'

let server: Promise<Server> | undefined
/** The answers that the next requests get. */
let parts: string[] = []
/** The addresses that were asked for. */
let asked: string[] = []

async function startServer(): Promise<Server> {
  const made = createServer((request, response) => {
    asked.push(request.url ?? '')
    const [status = '', ...body] = (parts.shift() ?? '404\n').split('\n')
    request.resume().on('end', () => {
      // Node writes no other status.
      const code = Math.min(999, Math.max(200, Number(status) || 404))
      const isRedirect = code >= 300 && code < 400
      response.writeHead(code, isRedirect ? { location: '/elsewhere' } : {})
      response.end(Buffer.from(body.join('\n'), 'latin1'))
    })
  })
  await once(made.listen(0, '127.0.0.1'), 'listening')
  return made
}

/** Sends the browser back with a code. */
function consent(url: URL, issuer: string): void {
  const back = url.searchParams.get('redirect_uri')
  if (back?.startsWith('http://127.0.0.1:') !== true) return
  const answer = new URL(back)
  answer.searchParams.set('code', 'code')
  answer.searchParams.set('state', url.searchParams.get('state') ?? '')
  answer.searchParams.set('iss', issuer)
  get(answer, { agent: false }, (response) => response.resume()).on('error', () => {})
}

interface Output {
  /** Whether the proxy knows the secret that the server repeats. */
  hasSecret: boolean
  headers: string[]
  error: string | undefined
  asked: string[]
}

export const signIn: Target = target<Output>({
  name: 'sign-in',
  share: 1,
  waits: true,
  make: signInAnswers,
  async run(input) {
    const { port } = (await (server ??= startServer())).address() as AddressInfo
    const origin = `http://127.0.0.1:${port}`
    const text = input.toString('latin1').replaceAll(originMark, origin)
    const [kind = '', challenge = '', ...answers] = text.split(String(nextResponse))
    parts = answers
    asked = []
    const hasSecret = kind === 'self' || kind.endsWith('secret')
    const credentials = new SignIn({
      server: new URL(`${origin}/mcp`),
      env: {},
      ...(hasSecret && { clientId: 'client', clientSecret: secret }),
      clientCredentials: kind === 'self',
      browser: kind !== 'device',
      show: (url, code) => code === undefined && consent(url, origin),
      // Nobody enters the code of a device.
      loginTimeout: kind === 'device' ? 60 : 500,
      connectTimeout: 200
    })
    const headers: string[] = []
    let error: string | undefined
    let given: string | undefined
    try {
      for (let round = 0; round < 3; round++) {
        // The server refuses each token.
        credentials.refused(given, { 'www-authenticate': challenge })
        given = await credentials.authorize(undefined)
        if (given !== undefined) headers.push(given)
      }
    } catch (cause) {
      if ((cause as Error).name !== 'ProxyError') throw cause
      error = describe(cause)
    }
    return { hasSecret, headers, error, asked }
  },
  compare(_input, { hasSecret, headers, error, asked }) {
    for (const header of headers) validateHeaderValue('authorization', header)
    for (const url of asked) expect(!url.includes(secret), `a secret in the URL ${url}`)
    if (error === undefined) return
    expect(!hasSecret || !error.includes(secret), `a secret in: ${error}`)
    expect(!/[\0-\x1f\x7f]/.test(error), `not one line: ${JSON.stringify(error)}`)
  },
  async close() {
    ;(await server)?.close()
  }
})
