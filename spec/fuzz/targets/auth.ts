// What decides who may come in, and what a server says about signing in: tokens of clients, challenges,
// and the responses of a token endpoint.

import { validateHeaderValue } from 'node:http'
import type { Dispatcher } from 'undici'
import { clientCredentials } from '../../../lib/http-client/auth/client-credentials.ts'
import { parseChallenges } from '../../../lib/http-client/auth/challenges.ts'
import { login } from '../../../lib/http-client/auth/login.ts'
import { describe } from '../../../lib/errors.ts'
import { Authorizer } from '../../../lib/http-server/auth/authorize.ts'
import { findEntry, parseTokens } from '../../../lib/http-server/auth/tokens.ts'
import type { RequestContext } from '../../../lib/http-server/request-context.ts'
import { challenge, secret, tokenAnswer, tokenFile } from '../inputs/words.ts'
import { attempt, expect, target } from '../target.ts'
import type { Target } from '../target.ts'

/** Splits an input at its first line break. */
function lineAndRest(input: Buffer): [string, Buffer] {
  const end = input.indexOf(10)
  return [input.toString('latin1', 0, end), input.subarray(end + 1)]
}

export const tokens: Target = target<{ principal?: string; error?: string }>({
  name: 'tokens',
  share: 4,
  make: tokenFile,
  async run(input) {
    const [authorization, file] = lineAndRest(input)
    const read = attempt(() => parseTokens(file.toString()))
    if ('error' in read) return { error: describe(read.error) }
    const auth = { check: (token: string) => findEntry(read.value, token) }
    const authorizer = new Authorizer({ auth, maxTokens: 10, serverOf: () => undefined })
    const context = {
      request: { headers: { authorization } },
      response: { setHeader: validateHeader }
    } as unknown as RequestContext
    const principal = await Promise.resolve(authorizer.authorize(context)).catch(() => undefined)
    return principal === undefined ? {} : { principal }
  },
  compare(input, { principal, error }) {
    const [authorization, file] = lineAndRest(input)
    // An error may name an owner, and a mutation may have made the secret one.
    const isOwner = file.toString().split(':', 1)[0]?.includes(secret) === true
    expect(isOwner || error?.includes(secret) !== true, `a secret in: ${error}`)
    if (principal === undefined) return
    const token = authorization.trim().split(/ +/)[1] ?? ''
    const lines = file
      .toString()
      .replace(/^\ufeff/, '')
      .split('\n')
      .map((line) => line.trim())
    const owners = lines.filter((line) => !line.startsWith('#') && line.includes(':'))
    const owned = owners.some((line) => {
      const [name = '', ...rest] = line.split(':')
      const value = rest.join(':').trim()
      return name.trim() === principal && (value === token || /^sha256:/i.test(value))
    })
    expect(owned, `${principal} has no token ${token}`)
  }
})

const validateHeader = (name: string, value: string): void => validateHeaderValue(name, value)

export const challenges: Target = target<{ count: number; headers: (string | undefined)[] }>({
  name: 'challenges',
  share: 5,
  make: challenge,
  async run(input) {
    // Node gives the bytes of a header as Latin-1.
    const header = input.toString('latin1')
    const url = new URL('http://a/mcp?b')
    const headers: (string | undefined)[] = []
    for (const digest of [true, false]) {
      const credentials = login({ username: 'ü"\\', password: secret, digest })
      for (let round = 0; round < 3; round++) {
        const given = await credentials.authorize({ method: 'POST', url })
        headers.push(given)
        if (!credentials.refused(given, { 'www-authenticate': header })) break
      }
    }
    return { count: parseChallenges(header).length, headers }
  },
  compare(input, { count, headers }) {
    expect(count <= input.length, 'more challenges than bytes')
    for (const header of headers)
      if (header !== undefined) expect(!header.includes(secret), 'the password')
    // Only such bytes can be in the header that a client got.
    if (/[\0-\x08\x0a-\x1f\x7f]/.test(input.toString('latin1'))) return
    for (const header of headers) if (header !== undefined) validateHeader('authorization', header)
  }
})

/** Calls the handler of a request with one response. */
function answering(status: number, body: Buffer): Dispatcher {
  const dispatch: Dispatcher['dispatch'] = (_options, handler) => {
    setImmediate(() => {
      handler.onConnect?.(() => {})
      handler.onHeaders?.(
        status,
        [Buffer.from('content-type'), Buffer.from('text/html')],
        () => {},
        ''
      )
      handler.onData?.(body)
      handler.onComplete?.([])
    })
    return true
  }
  return { dispatch } as unknown as Dispatcher
}

export const tokenAnswers: Target = target<{ header?: string; error?: string }>({
  name: 'token-answers',
  share: 4,
  make: tokenAnswer,
  async run(input) {
    const [status, body] = lineAndRest(input)
    const credentials = clientCredentials({
      clientId: 'id',
      clientSecret: secret,
      tokenUrl: new URL('http://a/token'),
      // undici gives no other status to the one that asked.
      dispatcher: answering(Math.min(999, Math.max(200, Number(status) || 200)), body)
    })
    try {
      const header = await credentials.authorize({ method: 'POST', url: new URL('http://a/mcp') })
      return header === undefined ? {} : { header }
    } catch (error) {
      if ((error as Error).name !== 'ProxyError') throw error
      return { error: describe(error) }
    }
  },
  compare(_input, { header, error }) {
    if (header !== undefined) validateHeader('authorization', header)
    if (error === undefined) return
    expect(!error.includes(secret), `the secret in: ${error}`)
    expect(!/[\0-\x1f\x7f]/.test(error), `not one line: ${JSON.stringify(error)}`)
  }
})
