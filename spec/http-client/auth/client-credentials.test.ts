// OAuth client credentials, against token endpoints that behave and misbehave.

import { once } from 'node:events'
import http from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import { describe, ProxyError } from '../../../lib/errors.ts'
import { clientCredentials } from '../../../lib/http-client/auth/client-credentials.ts'
import type { ClientCredentialsOptions } from '../../../lib/http-client/auth/client-credentials.ts'
import type { Credentials } from '../../../lib/http-client/auth/credentials.ts'
import type { SharedToken } from '../../../lib/http-client/auth/shared-token.ts'
import { createAgent } from '../../../lib/http-client/connections/agent.ts'
import { version } from '../../../lib/version.ts'

interface Asked {
  path: string
  headers: http.IncomingHttpHeaders
  /** The fields of the body, and the encoded user and password of the header. */
  body: Record<string, string>
  basic: string | undefined
}

type Answer = (asked: Asked, response: http.ServerResponse, count: number) => void

/** The request that asks for the credentials. */
const request = { method: 'POST', url: new URL('http://127.0.0.1/mcp') }

interface Endpoint {
  url: URL
  asked: Asked[]
  source(
    options?: Partial<ClientCredentialsOptions>
  ): Omit<Credentials, 'authorize'> & Pick<SharedToken, 'authorize'>
}

/** A token endpoint on a port of its own. */
async function serve(t: Test, answer: Answer): Promise<Endpoint> {
  const asked: Asked[] = []
  const server = http.createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      const { url = '', headers } = request
      const [scheme, encoded = ''] = headers.authorization?.split(' ') ?? []
      const basic = scheme === 'Basic' ? Buffer.from(encoded, 'base64').toString() : undefined
      const body = Object.fromEntries(new URLSearchParams(text))
      asked.push({ path: url, headers, body, basic })
      answer({ path: url, headers, body, basic }, response, asked.length)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/token?a=b`)
  const dispatcher = await createAgent({ origin: url, env: {} })
  t.teardown(async () => {
    await dispatcher.destroy()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return {
    url,
    asked,
    source: (options) =>
      clientCredentials({
        clientId: 'client-1',
        clientSecret: 's3cret',
        tokenUrl: url,
        dispatcher,
        ...options
      })
  }
}

const json = (response: http.ServerResponse, body: unknown, status = 200): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

const bearer = (access_token: string, more = {}): object => {
  return { access_token, token_type: 'Bearer', ...more }
}

/** Gives out token 1, 2, 3… for an hour each. */
const numbered: Answer = (_asked, response, count) => {
  json(response, bearer(`token ${count}`, { expires_in: 3600 }))
}

/** The text of the expected error. Checks its code, and that it is one line without the secret. */
async function failure(t: Test, promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error
  )
  if (!(error instanceof ProxyError)) throw new Error('not a ProxyError', { cause: error })
  t.equal(error.code, 'ERR_TOKEN')
  const text = describe(error)
  t.notMatch(text, /s3cret|\n/)
  return text
}

test('nothing is loaded before the first token', async (t) => {
  const isLoaded = (): boolean =>
    Object.keys(createRequire(import.meta.url).cache).some((file) =>
      file.endsWith('api-request.js')
    )
  const { source, asked } = await serve(t, numbered)
  const tokens = source()
  t.notOk(isLoaded())
  t.equal(asked.length, 0)
  await tokens.authorize(request)
  t.ok(isLoaded())
})

test('the token request is the one of RFC 6749', async (t) => {
  const { source, asked } = await serve(t, numbered)
  t.equal(await source().authorize(request), 'Bearer token 1')
  t.match(asked, [
    {
      path: '/token?a=b',
      headers: {
        accept: 'application/json',
        'accept-encoding': 'identity',
        'user-agent': `mcp-duplex/${version}`,
        'content-type': /^application\/x-www-form-urlencoded/
      },
      basic: 'client-1:s3cret'
    }
  ])
  t.strictSame(asked[0]?.body, { grant_type: 'client_credentials' })
})

test('id and secret are encoded as in a form, which leaves a UUID unchanged', async (t) => {
  const { source, asked } = await serve(t, numbered)
  await source({ clientId: 'a-b_c.d', clientSecret: 'x:y +/=é' }).authorize(request)
  t.equal(asked[0]?.basic, 'a-b_c.d:x%3Ay+%2B%2F%3D%C3%A9')
})

test('all callers share one token and one request', async (t) => {
  const { source, asked } = await serve(t, numbered)
  const tokens = source()
  const { signal } = new AbortController()
  const three = await Promise.all([
    tokens.authorize(request),
    tokens.authorize(request, signal),
    tokens.authorize(request)
  ])
  t.strictSame(three, ['Bearer token 1', 'Bearer token 1', 'Bearer token 1'])
  t.equal(await tokens.authorize(request), 'Bearer token 1')
  t.equal(asked.length, 1)
})

test('a token is replaced half a minute before it expires', async (t) => {
  const { source } = await serve(t, numbered)
  let now = 1e12
  const tokens = source({ now: () => now })
  t.equal(await tokens.authorize(request), 'Bearer token 1')
  now += 3_569_999
  t.equal(await tokens.authorize(request), 'Bearer token 1')
  now += 1
  t.equal(await tokens.authorize(request), 'Bearer token 2')
  now += 3_569_999
  t.equal(await tokens.authorize(request), 'Bearer token 2')
})

test('a short-lived token is used for nine tenths of its life', async (t) => {
  const { source } = await serve(t, (_asked, response, count) => {
    json(response, bearer(`token ${count}`, { expires_in: 10 }))
  })
  let now = 0
  const tokens = source({ now: () => now })
  t.equal(await tokens.authorize(request), 'Bearer token 1')
  now = 8999
  t.equal(await tokens.authorize(request), 'Bearer token 1')
  now = 9000
  t.equal(await tokens.authorize(request), 'Bearer token 2')
})

test('a token of unknown lifetime is used until the server refuses it', async (t) => {
  const { source } = await serve(t, (_asked, response, count) => {
    json(response, bearer(`token ${count}`))
  })
  let now = 0
  const tokens = source({ now: () => now })
  await tokens.authorize(request)
  now = 1e15
  t.equal(await tokens.authorize(request), 'Bearer token 1')
})

test('a refused token is replaced once, for all callers', async (t) => {
  const { source, asked } = await serve(t, numbered)
  const tokens = source()
  const ask = async (): Promise<string | undefined> => {
    const first = await tokens.authorize(request)
    tokens.refused(first, {})
    return tokens.authorize(request)
  }
  t.strictSame(await Promise.all([ask(), ask(), ask()]), [
    'Bearer token 2',
    'Bearer token 2',
    'Bearer token 2'
  ])
  tokens.refused('Bearer token 1', {})
  t.equal(
    await tokens.authorize(request),
    'Bearer token 2',
    'a late refusal of the old token changes nothing'
  )
  t.equal(asked.length, 2)
})

test('an endpoint that refuses the header gets the credentials in the body, then and later', async (t) => {
  const refusals: Answer[] = [
    (_asked, response) => json(response, { error: 'invalid_client' }, 401),
    (_asked, response) => json(response, { error: 'invalid_client' }, 400),
    (_asked, response) => json(response, { error: 'invalid_request' }, 400),
    (_asked, response) => response.writeHead(401, { 'www-authenticate': 'Basic' }).end()
  ]
  for (const refuse of refusals) {
    const { source, asked } = await serve(t, (request, response, count) => {
      if (request.body.client_secret === undefined) refuse(request, response, count)
      else numbered(request, response, count)
    })
    const tokens = source()
    t.equal(await tokens.authorize(request), 'Bearer token 2')
    const grant_type = 'client_credentials'
    t.strictSame(
      asked.map(({ basic, body }) => ({ basic, body })),
      [
        { basic: 'client-1:s3cret', body: { grant_type } },
        { basic: undefined, body: { grant_type, client_id: 'client-1', client_secret: 's3cret' } }
      ]
    )
    tokens.refused('Bearer token 2', {})
    t.equal(await tokens.authorize(request), 'Bearer token 3')
    t.equal(asked[2]?.basic, undefined)
  }
})

test('the error shows the reason that the endpoint gave', async (t) => {
  const cases: [Answer, RegExp][] = [
    [
      (_asked, response) => {
        response.setHeader('www-authenticate', 'Basic realm="x"')
        json(response, { error: 'invalid_client', error_description: 'Who\nis that?' }, 401)
      },
      /: invalid_client \(Who is that\?\)$/
    ],
    [(_asked, response) => json(response, { error: 'invalid_scope' }, 400), /: invalid_scope$/],
    [
      (_asked, response) => json(response, { error: 'x', error_description: 'not s3cret' }, 400),
      /: x \(not …\)$/
    ],
    [
      (_asked, response) =>
        json(response, { error: 'x', error_description: 'y'.repeat(5000) }, 400),
      /: x \(y{297}$/
    ],
    [
      (_asked, response) => response.writeHead(500).end('<html>s3cret</html>'),
      /: it answered 500$/
    ],
    [(_asked, response) => response.writeHead(404).end('nothing'), /: it answered 404$/],
    [(_asked, response) => response.writeHead(204).end(), /: it answered 204$/],
    [
      (_asked, response) => response.writeHead(302, { location: 'http://example.com' }).end(),
      /: it answered 302$/
    ],
    [(_asked, response) => response.end('s3cret'), /: its response has no token: .* as JSON$/],
    [
      (_asked, response) => json(response, { access_token: 's3cret' }),
      /: its response has no token: .*"token_type".*/
    ],
    [
      (_asked, response) => json(response, { access_token: 's3cret', token_type: 'mac' }),
      /: its response has no token: .*token_type/
    ],
    [
      (_asked, response) => response.end('s3cret'.repeat(200_000)),
      /: its response is over 1048576 bytes$/
    ],
    [(_asked, response) => response.destroy(), /: it cannot be reached: other side closed$/]
  ]
  for (const [answer, expected] of cases) {
    const { source, url } = await serve(t, answer)
    const text = await failure(t, source().authorize(request))
    t.match(text, expected)
    t.ok(text.startsWith(`no access token from ${url.host}: `))
  }
})

test('an empty secret hides nothing of the message', async (t) => {
  const { source, url } = await serve(t, (_asked, response) => response.writeHead(500).end())
  const text = await failure(t, source({ clientSecret: '' }).authorize(request))
  t.equal(text, `no access token from ${url.host}: it answered 500`)
})

test('the error of an unreachable endpoint has the reason', async (t) => {
  const { source, url } = await serve(t, numbered)
  const refusing = { HTTP_PROXY: 'http://ann:s3cret@127.0.0.1:1' }
  const dispatcher = await createAgent({ origin: url, env: refusing })
  t.teardown(() => dispatcher.destroy())
  const text = await failure(t, source({ dispatcher }).authorize(request))
  t.match(
    text,
    /: it cannot be reached: cannot reach the proxy 127\.0\.0\.1:1 \(HTTP_PROXY\): conn/
  )
})

test('after an error the next caller tries again', async (t) => {
  const { source } = await serve(t, (asked, response, count) => {
    if (count === 1) response.writeHead(503).end()
    else numbered(asked, response, count)
  })
  const tokens = source()
  await Promise.all([
    t.rejects(tokens.authorize(request), { code: 'ERR_TOKEN' }),
    t.rejects(tokens.authorize(request), { code: 'ERR_TOKEN' })
  ])
  t.equal(await tokens.authorize(request), 'Bearer token 2')
})

test('the dispatcher is created once, for the first token', async (t) => {
  const { source, url } = await serve(t, numbered)
  let made = 0
  const agent = await createAgent({ origin: url, env: {} })
  t.teardown(() => agent.destroy())
  const tokens = source({
    dispatcher: async () => {
      if (++made === 1) throw new ProxyError('ERR_CONFIG', 'no such file')
      return agent
    }
  })
  t.equal(made, 0)
  await t.rejects(tokens.authorize(request), { code: 'ERR_CONFIG', message: 'no such file' })
  tokens.refused(await tokens.authorize(request), {})
  await tokens.authorize(request)
  t.equal(made, 2)
})

test('a token request fails when the endpoint is silent', async (t) => {
  const { source } = await serve(t, () => {})
  const text = await failure(t, source({ timeout: 50 }).authorize(request))
  t.match(text, /: no response within 0\.05 s$/)
})

test('a token request fails when the response does not end in time', async (t) => {
  const { source } = await serve(t, (_asked, response) => response.write('{"access_token":'))
  const text = await failure(t, source({ timeout: 50 }).authorize(request))
  t.match(text, /: no response within 0\.05 s$/)
})

test('a timeout of 0 means no limit', async (t) => {
  const { source } = await serve(t, (asked, response, count) => {
    setTimeout(numbered, 50, asked, response, count)
  })
  t.equal(await source({ timeout: 0 }).authorize(request), 'Bearer token 1')
})

test('a caller that stops waiting does not affect the others', async (t) => {
  let go = (): void => {}
  const { source, asked } = await serve(t, (...args) => {
    go = () => numbered(...args)
    impatient.abort(new Error('enough'))
  })
  const impatient = new AbortController()
  const tokens = source()
  const first = tokens.authorize(request, impatient.signal)
  const second = tokens.authorize(request)
  await t.rejects(first, { message: 'enough' })
  go()
  t.equal(await second, 'Bearer token 1')
  t.equal(asked.length, 1)
})

test('the request ends when all callers have stopped waiting, and the next caller starts another', async (t) => {
  const closed: Promise<unknown>[] = []
  const { source } = await serve(t, (asked, response, count) => {
    if (count > 1) return numbered(asked, response, count)
    closed.push(once(response, 'close'))
    impatient.abort(new Error('enough'))
  })
  const impatient = new AbortController()
  const tokens = source()
  const first = tokens.authorize(request, impatient.signal)
  const second = tokens.authorize(request, impatient.signal)
  await t.rejects(first, { message: 'enough' })
  await t.rejects(second, { message: 'enough' })
  t.equal(await tokens.authorize(request), 'Bearer token 2')
  await Promise.all(closed)
  await t.rejects(
    tokens.authorize(request, impatient.signal),
    { message: 'enough' },
    'a signal aborted before'
  )
})

test('a token that no header can hold is an error', async (t) => {
  for (const token of ['a\r\nX-Other: b', 'a\u0000', 'é', '\ud83d\ude00', 'a\tb']) {
    const endpoint = await serve(t, (_asked, response) => json(response, bearer(token)))
    const error = await endpoint
      .source()
      .authorize(request)
      .catch((error: unknown) => error)
    t.match(error, { code: 'ERR_TOKEN', message: /header/ }, JSON.stringify(token))
  }
})

test('a refusal with a description that is no text is an error without it', async (t) => {
  for (const value of [{ toString: 1 }, null, [1], 5]) {
    const refusal = { error: 'invalid_scope', error_description: value }
    const endpoint = await serve(t, (_asked, response) => json(response, refusal, 400))
    const error = await endpoint
      .source()
      .authorize(request)
      .catch((error: unknown) => error)
    t.match(error, { code: 'ERR_TOKEN', message: /: invalid_scope$/ }, JSON.stringify(value))
  }
})
