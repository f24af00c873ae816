// The boundary for exceptions: what throws while one frame is handled fails this frame only. The
// tests make a function throw at each place where a stream handles frames.

import { PassThrough } from 'node:stream'
import type { Duplex } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import type { Json, ServerExchange } from '../../fixtures/servers/http.js'
import { ask } from '../../lib/conversation/ask-server.ts'
import { SessionState } from '../../lib/conversation/session-state.ts'
import { NewlineParser } from '../../lib/framing/newline.ts'
import { GetStream } from '../../lib/http-client/get-stream.ts'
import { HttpClient } from '../../lib/http-client/http-client.ts'
import { Post } from '../../lib/http-client/post.ts'
import { EventStream } from '../../lib/http-server/event-stream.ts'
import { PostResponse } from '../../lib/http-server/post-response.ts'
import { Frame } from '../../lib/message/frame.ts'
import { PendingRequests } from '../../lib/message/pending-requests.ts'
import { acceptStdio } from '../../lib/stdio/accept-stdio.ts'
import { connectChild } from '../../lib/stdio/connect-child.ts'
import { LineWriter } from '../../lib/stdio/line-writer.ts'
import { reconnect } from '../../lib/wrappers/reconnect.ts'
import { SharedCalls } from '../../lib/wrappers/rewrite-ids.ts'
import { SharedSessions, shareSessions } from '../../lib/wrappers/share-sessions.ts'
import { share } from '../../lib/wrappers/share.ts'
import { KeptLog, misbehaving, request, response, watch } from '../helpers.ts'
import { overHttp, overSse } from '../http-client/helpers.ts'
import { json, serve } from '../http-server/helpers.ts'
import { TextServer, turn } from '../wrappers/text-server.ts'

const error = { code: -32603, message: 'internal error (see the log of the proxy)' }

/** Makes a method throw when one of its arguments is, or contains, the text `boom`. */
function sabotage(t: Test, prototype: object, name: string): void {
  const methods = prototype as Record<string, (...args: unknown[]) => unknown>
  const original = methods[name] as (...args: unknown[]) => unknown
  t.intercept(prototype, name as never, {
    value(this: unknown, ...args: unknown[]) {
      if (args.some(isBoom)) throw new TypeError('secret text')
      return original.apply(this, args)
    }
  })
}

function isBoom(value: unknown): boolean {
  if (value instanceof Frame) return value.errorCode === undefined && String(value).includes('boom')
  return Buffer.isBuffer(value) ? value.includes('boom') : isRequest(value) && isBoom(value.body)
}

const isRequest = (value: unknown): value is { body: unknown } =>
  typeof value === 'object' && value !== null && 'body' in value

/** A server that answers each request. */
function echo(): TextServer {
  const server = new TextServer()
  server.onFrame = ({ kind, id }) => {
    if (kind === 'request') server.say({ id, result: {} })
  }
  return server
}

/** Checks that a request named `boom` fails, and that the next request does not. */
async function failsAlone(t: Test, transport: Duplex, log?: KeptLog): Promise<void> {
  const { ask } = watch(transport)
  t.match(await ask('boom'), { error })
  const next = await ask('tools/list')
  t.match(next, { jsonrpc: '2.0' })
  t.notMatch(next, { error })
  if (log !== undefined) t.match(log.lines, [/^error: the request boom failed: .*secret text/])
}

t.test('a request that cannot be written to a child process fails alone', async (t) => {
  sabotage(t, LineWriter.prototype, 'write')
  const log = new KeptLog()
  const transport = connectChild({ ...misbehaving(), log })
  t.teardown(() => void transport.destroy())
  const { ask } = watch(transport)
  t.match(await ask('boom'), { error })
  t.match(await ask('ping'), { result: {} })
})

t.test('a response that cannot be written to stdout is replaced by an error', async (t) => {
  sabotage(t, LineWriter.prototype, 'write')
  const output = new PassThrough()
  const client = acceptStdio({ input: new PassThrough(), output })
  t.teardown(() => client.destroy())
  client.write(response(1, 'boom'))
  client.write(response(2))
  await turn()
  await turn()
  const lines = String(output.read()).trim().split('\n')
  t.strictSame(
    lines.map((line) => JSON.parse(line) as unknown),
    [
      { jsonrpc: '2.0', id: 1, error },
      { jsonrpc: '2.0', id: 2, result: {} }
    ]
  )
})

t.test('a request whose reader throws fails alone on stdin', async (t) => {
  const input = new PassThrough()
  const output = new PassThrough()
  const client = acceptStdio({ input, output })
  t.teardown(() => client.destroy())
  const read: unknown[] = []
  client.on('data', (frame: Frame) => {
    if (isBoom(frame)) throw new TypeError('secret text')
    read.push(frame.id)
  })
  await turn()
  input.write(`${String(request(1, 'boom'))}\n${String(request(2, 'x'))}\n`)
  await turn()
  await turn()
  t.strictSame(read, [2])
  t.strictSame(JSON.parse(String(output.read())), { jsonrpc: '2.0', id: 1, error })
})

t.test('a frame of a child whose reader throws gets an error, or is replaced by one', async (t) => {
  const said = [request('q', 'boom'), response('r', 'boom')].map(String)
  const source = `const said = ${JSON.stringify(said)}
    process.stdin.on('data', (text) => {
      for (const text of said.splice(0)) console.log(text)
      if (String(text).includes('"q"')) console.log(JSON.stringify(
        {jsonrpc: '2.0', method: 'got', params: {text: String(text).replace('boom', '')}}))
    })`
  const transport = connectChild({ command: process.execPath, args: ['-e', source] })
  t.teardown(() => void transport.destroy())
  const read: Frame[] = []
  transport.on('data', (frame: Frame) => {
    if (isBoom(frame)) throw new TypeError('secret text')
    read.push(frame)
  })
  transport.write(request('r', 'ask'))
  while (read.length < 2) await turn()
  const messages = read.map((frame) => frame.message())
  t.match(
    messages.find(({ id }) => id === 'r'),
    { error }
  )
  t.match(
    messages.find(({ method }) => method === 'got'),
    { params: { text: /"q".*-32603/ } }
  )
})

t.test('an exception of a parser destroys the transport, not the process', async (t) => {
  sabotage(t, NewlineParser.prototype, 'feed')
  const input = new PassThrough()
  const client = acceptStdio({ input, output: new PassThrough() })
  const { closed } = watch(client)
  input.write('boom')
  t.match(await closed, { code: 'ERR_INTERNAL' })
})

t.test('a request that cannot be posted fails alone', async (t) => {
  for (const connect of [overHttp, overSse]) {
    const { transport, initialize } = await connect(t)
    await initialize()
    sabotage(t, HttpClient.prototype, 'send')
    await failsAlone(t, transport)
  }
})

t.test('a request that `reconnect` cannot handle fails alone', async (t) => {
  sabotage(t, SessionState.prototype, 'note')
  const log = new KeptLog()
  const transport = reconnect(echo, { log })
  await failsAlone(t, transport, log)
  const { closed } = watch(transport)
  transport.end()
  t.equal(await closed, undefined, 'and the transport still ends')
})

t.test('a frame of the server that `reconnect` cannot handle fails alone', async (t) => {
  sabotage(t, PendingRequests.prototype, 'answered')
  const server = echo()
  const transport = reconnect(() => server)
  t.teardown(() => void transport.destroy())
  const { answer, ask } = watch(transport)
  server.onFrame = ({ id }) => server.say({ id, result: id === 1 ? 'boom' : 'good' })
  transport.write(request(1, 'x'))
  t.match(await answer(1), { error })
  t.match(await ask('x'), { result: 'good' })
})

t.test('a request of the server that `reconnect` cannot handle gets an error', async (t) => {
  sabotage(t, PendingRequests.prototype, 'sent')
  const server = new TextServer()
  const transport = reconnect(() => server)
  t.teardown(() => void transport.destroy())
  watch(transport)
  server.say({ id: 7, method: 'boom' })
  const back = await server.received.until(() => true)
  t.strictSame(back?.message(), { jsonrpc: '2.0', id: 7, error })
})

t.test('an exception during a restart destroys the transport', async (t) => {
  let count = 0
  const first = echo()
  const transport = reconnect(() => {
    if (++count > 1) throw new TypeError('secret text')
    return first
  })
  const { ask, closed } = watch(transport)
  await ask('x')
  first.destroy()
  t.match(await closed, { code: 'ERR_INTERNAL' })
})

t.test('a request that a shared server cannot take fails alone', async (t) => {
  sabotage(t, SharedCalls.prototype, 'add')
  const log = new KeptLog()
  const shared = share(echo, { log })
  t.teardown(() => shared.destroy())
  await failsAlone(t, shared.port(), log)
})

t.test('frames of a shared server that cannot be handled fail alone', async (t) => {
  const log = new KeptLog()
  const server = echo()
  const shared = share(() => server, { log })
  t.teardown(() => shared.destroy())
  const port = shared.port(() => {
    throw new TypeError('secret text')
  })
  const { ask, answer } = watch(port)
  await ask('x')
  server.say({ method: 'notifications/message' })
  t.match(await ask('x'), { result: {} }, 'after a notification')
  t.match(log.lines.at(-1), /notification of a shared server failed: .*secret text/)

  server.onFrame = ({ id }) => server.say({ id, result: id === 3 ? 'boom' : 'good' })
  const { withBytes } = Frame.prototype
  t.intercept(Frame.prototype, 'withBytes', {
    value(this: Frame, ...args: Parameters<typeof withBytes>) {
      if (isBoom(this)) throw new TypeError('secret text')
      return withBytes.apply(this, args)
    }
  })
  port.write(request('r', 'x'))
  t.match(await answer('r'), { error }, 'a response')
  t.match(await ask('x'), { result: 'good' })

  const write = server.write.bind(server) as (frame: Frame) => boolean
  let throws = true
  t.intercept(server, 'write', {
    value: (frame: Frame) => {
      if (frame.errorCode !== undefined && throws) {
        throws = false
        throw new TypeError('secret text')
      }
      return write(frame)
    }
  })
  server.say({ id: 'q', method: 'roots/list' })
  const back = await server.received.until(({ id }) => id === 'q')
  t.match(back?.message(), { error }, 'a request')
})

t.test('an exception at the first write to a shared server ends only the port', async (t) => {
  const server = echo()
  const shared = share(() => server)
  t.teardown(() => shared.destroy())
  const write = server.write.bind(server) as (frame: Frame) => boolean
  t.intercept(server, 'write', {
    value: (frame: Frame) => {
      if (isBoom(frame)) throw new TypeError('secret text')
      return write(frame)
    }
  })
  const port = shared.port()
  const { closed } = watch(port)
  port.write(request(1, 'boom'))
  t.match(await closed, { code: 'ERR_INTERNAL' })
  t.match(await watch(shared.port()).ask('x'), { result: {} })
})

t.test('an `initialize` that a session cannot answer fails alone', async (t) => {
  const sessions = shareSessions(echo)
  t.teardown(() => sessions.destroy())
  const { ask } = watch(sessions.port())
  t.intercept(SharedSessions.prototype, 'initializeResponse', {
    value: () => Promise.resolve(undefined)
  })
  t.match(await ask('initialize'), { error })
  t.match(await ask('tools/list'), { result: {} })
})

t.test('an exception beside the proxy’s own request fails this request', async (t) => {
  const server = new TextServer()
  t.teardown(() => void server.destroy())
  server.onFrame = () => server.say({ method: 'boom' })
  const onFrame = (): void => {
    throw new TypeError('secret text')
  }
  await t.rejects(ask(server, request(1, 'x'), { timeout: 0, onFrame }), { code: 'ERR_INTERNAL' })
})

t.test('a response that cannot be sent to an HTTP client is replaced by an error', async (t) => {
  for (const options of [{}, { stateless: true }]) {
    const { client, servers } = await serve(t, options)
    sabotage(t, PostResponse.prototype, 'send')
    const peer = client()
    if (options.stateless !== true) await peer.initialize()
    const post = peer.post(json({ id: 'a', method: 'call' }))
    const server = await servers.until(() => true)
    await server?.received.until(({ method }) => method === 'call')
    await server?.say({ id: 'a', result: 'boom' })
    t.match(JSON.parse((await post).text), { id: 'a', error })
  }
})

t.test('an exception of an event stream does not end the process', async (t) => {
  const { client, servers } = await serve(t, { streamAfter: 1 })
  const peer = client()
  await peer.initialize()
  t.intercept(EventStream.prototype, 'write', {
    value: () => {
      throw new TypeError('secret text')
    }
  })
  const post = peer.post(json({ id: 'a', method: 'call' })).catch((error: unknown) => error)
  await post
  t.ok(servers[0]?.destroyed, 'but the session')
})

t.test('an exception while a failed response is handled destroys the transport', async (t) => {
  const breaks = {
    onPost: ({ method }: Json, { res, byDefault }: ServerExchange) =>
      method === 'tools/call' ? res.destroy() : byDefault()
  }
  const { transport, initialize, closed } = await overHttp(t, breaks)
  await initialize()
  t.intercept(Post.prototype, 'onError', {
    value() {
      throw new TypeError('secret text')
    }
  })
  transport.write(request(1, 'tools/call'))
  t.match(await closed, { code: 'ERR_INTERNAL' })

  const old = await overSse(t)
  await old.initialize()
  t.intercept(GetStream.prototype, 'onError', {
    value() {
      throw new TypeError('secret text')
    }
  })
  old.server.streams[0]?.destroy()
  t.match(await old.closed, { code: 'ERR_INTERNAL' })
})
