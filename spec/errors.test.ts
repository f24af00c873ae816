// Errors, and how they are told.

import t from 'tap'
import {
  describe,
  describeToClients,
  HttpStatusError,
  codeOf,
  isAbort,
  ProxyError,
  toProxyError
} from '../lib/errors.ts'
import { ServerGoneError } from '../lib/streams/server-gone-error.ts'

t.test('an error tells its HTTP status and its JSON-RPC code', async (t) => {
  const error = new ProxyError('ERR_FRAME_TOO_LARGE', 'too large')
  t.match(error, { name: 'ProxyError', code: 'ERR_FRAME_TOO_LARGE', message: 'too large' })
  t.equal(error.status, 413)
  t.equal(error.rpc, -32600)
  t.equal(new ProxyError('ERR_FRAME_SYNTAX', '').rpc, -32700)
})

t.test('an error keeps what caused it', async (t) => {
  const cause = new Error('why')
  t.equal(new ProxyError('ERR_CONNECTION', 'what', { cause }).cause, cause)
})

t.test('an error is described in one line, its causes included', async (t) => {
  const root = new Error('the root\n  of it')
  const cause = new ProxyError('ERR_CONNECTION', 'first\r\nsecond\rthird\n', { cause: root })
  const error = new Error('it failed', { cause })
  t.equal(describe(error), 'it failed: first | second | third: the root | of it')
})

t.test('of several errors the first is told', async (t) => {
  const refused = Object.assign(new AggregateError([new Error('one'), new Error('two')]), {
    code: 'ECONNREFUSED'
  })
  t.equal(describe(refused), 'ECONNREFUSED: one')
  t.equal(describe(new AggregateError([])), 'AggregateError')
})

t.test('what is no error is described all the same', async (t) => {
  t.equal(describe('a string'), 'a string')
  t.equal(describe(undefined), 'undefined')
  t.equal(describe(null), 'null')
  t.equal(describe({ toString: 1 }), 'unknown error')
  t.equal(describe(new Error('', { cause: 404 })), 'Error: 404')
})

t.test('a description is one printable line of at most 8 KiB, in linear time', async (t) => {
  t.equal(describe(new Error('a\x1b[2Jb\u2028c\u202ed')), 'a\\u001b[2Jb | c\\u202ed')
  const began = performance.now()
  for (const text of ['\n', ' ', '\r\n ', 'x']) {
    const cause = new Error(text.repeat(1_000_000) + 'x')
    t.ok(Buffer.byteLength(describe(new Error('it failed', { cause }))) <= 8 * 1024)
  }
  t.ok(performance.now() - began < 100)
})

t.test('a circle of causes has an end', async (t) => {
  const error = new Error('round')
  error.cause = error
  t.match(describe(error), /^(round: )+round$/)
})

t.test('an abort is known from a failure', async (t) => {
  t.ok(isAbort(AbortSignal.abort().reason))
  t.ok(isAbort(Object.assign(new Error(), { code: 'ERR_STREAM_PREMATURE_CLOSE' })))
  t.notOk(isAbort(new ProxyError('ERR_CLOSED', 'closed')))
  t.equal(codeOf(new ProxyError('ERR_CLOSED', 'closed')), 'ERR_CLOSED')
  t.equal(codeOf(new Error('another')), undefined)
  t.notOk(isAbort({ name: 'AbortError' }))
})

t.test(
  'a pending request gets the error of a destroyed stream, but no unexpected exception',
  async (t) => {
    const error = new ProxyError('ERR_SERVER_EXITED', 'the server exited')
    t.equal(toProxyError(error, 'the session has ended'), error)
    for (const closed of [null, AbortSignal.abort().reason as Error]) {
      t.match(toProxyError(closed, 'the session has ended'), {
        code: 'ERR_CLOSED',
        message: 'the session has ended'
      })
    }
    const internal = toProxyError(new TypeError('secret'), 'the session has ended')
    t.equal(internal.code, 'ERR_INTERNAL')
    t.notMatch(describe(internal), 'secret')
  }
)

t.test('clients over HTTP get what failed, without output, paths, URLs and causes', async (t) => {
  const secret = 'secret'
  for (const [code, text] of [
    ['ERR_COMMAND_NOT_FOUND', 'the command of the server cannot be found'],
    ['ERR_SERVER_START', 'the server did not start'],
    ['ERR_SERVER_EXITED', 'the server exited'],
    ['ERR_CONNECTION', 'the connection to the server failed'],
    ['ERR_HTTP_STATUS', 'the server refused the request'],
    ['ERR_HTTP_ANSWER', 'the server sent an invalid response'],
    ['ERR_TOKEN', 'the proxy got no access token for the server'],
    ['ERR_TIMEOUT', 'the server did not respond in time'],
    ['ERR_INTERNAL', 'internal error (see the log of the proxy)'],
    ['ERR_CONFIG', 'the proxy has a wrong configuration (see the log of the proxy)'],
    ['ERR_LISTEN', 'the proxy has a wrong configuration (see the log of the proxy)']
  ] as const) {
    const error = new ProxyError(code, secret, { cause: new Error(secret) })
    t.equal(describeToClients(error), text)
    t.match(describe(error), /secret: secret/)
  }
  const own = new ProxyError('ERR_REQUEST', 'name your session', { cause: new Error(secret) })
  t.equal(describeToClients(own), 'name your session', 'a fault of the client is told in full')
})

t.test('clients over HTTP get the exit code and the HTTP status', async (t) => {
  const exit = new ServerGoneError(
    'ERR_SERVER_EXITED',
    'secret',
    [],
    'the server exited with code 3'
  )
  t.equal(describeToClients(exit), 'the server exited with code 3')
  const start = new ProxyError('ERR_SERVER_START', 'secret', { cause: exit })
  t.equal(describeToClients(start), 'the server did not start: the server exited with code 3')
  const again = new ProxyError('ERR_SERVER_START', 'secret', { cause: start })
  t.equal(describeToClients(again), describeToClients(start), 'nothing is told twice')
  const status = new HttpStatusError('https://user:secret@host answered 500: secret', 500)
  t.equal(describeToClients(status), 'the server answered with the HTTP status 500')
  const syntax = new ProxyError('ERR_FRAME_SYNTAX', 'the message is not JSON (secret)')
  const answer = new ProxyError('ERR_HTTP_ANSWER', 'secret', { cause: syntax })
  t.equal(describeToClients(answer), 'the server sent an invalid response')
})

t.test(
  'the text for clients is one printable line, and a circle of causes has an end',
  async (t) => {
    const error = new ProxyError('ERR_REQUEST', `a\x1b\n${'x'.repeat(1e6)}`)
    t.ok(describeToClients(error).length <= 8192)
    t.match(describeToClients(error), /^a\\u001b \| x/)
    const circle = new ProxyError('ERR_CONNECTION', 'x')
    circle.cause = circle
    t.equal(describeToClients(circle), 'the connection to the server failed')
  }
)
