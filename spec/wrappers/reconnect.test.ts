// The transport that outlives its server: servers that crash, and servers that forget the session.

import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { answer, startHttpServer } from '../../fixtures/servers/http.js'
import type { HttpServer, Json, Script } from '../../fixtures/servers/http.js'
import { ProxyError } from '../../lib/errors.ts'
import { connectHttp } from '../../lib/http-client/connect-http.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
import type { Id } from '../../lib/protocol/json-rpc.ts'
import { connectChild } from '../../lib/stdio/connect-child.ts'
import type { ChildTransport } from '../../lib/stdio/connect-child.ts'
import { reconnect } from '../../lib/wrappers/reconnect.ts'
import type { ReconnectOptions } from '../../lib/wrappers/reconnect.ts'
import { isRunning, KeptLog, misbehaving, request, response } from '../helpers.ts'
import { initializeParams, Peer, until } from './peer.ts'

interface MisbehavingPeer extends Peer {
  /** The processes so far. */
  children: ChildTransport[]
}

/** A client of misbehaving through `reconnect`. `flags` gives the flags of the nth process. */
function startMisbehaving(
  t: Test,
  options: ReconnectOptions = {},
  flags: (n: number) => string[] = () => []
): MisbehavingPeer {
  const children: ChildTransport[] = []
  const connect = (): Duplex => {
    const child = connectChild({ ...misbehaving(...flags(children.length)), closeTimeout: 1000 })
    children.push(child)
    return child
  }
  const peer = new Peer(reconnect(connect, options))
  t.teardown(async () => {
    peer.transport.destroy()
    await peer.closed
  })
  return Object.assign(peer, { children })
}

/** What the current process received, in order: methods, and ids of responses. */
async function received(peer: Peer): Promise<unknown[]> {
  const { result } = await peer.request('test/received')
  return (result.lines as string[]).map((line) => {
    if (line.startsWith('(')) return ['big', line]
    const { method, params, id } = JSON.parse(line)
    return [method ?? `answer ${id}`, params]
  })
}

const closed = async (child: ChildTransport | undefined): Promise<void> =>
  until(() => child?.closed === true)

const withoutParams = (messages: unknown[]): unknown[] =>
  messages.map((each) => (each as unknown[])[0])

t.test('when a server crashes during a call, the call fails and the next one works', async (t) => {
  const peer = startMisbehaving(t)
  await peer.initialize()
  await peer.request('logging/setLevel', { level: 'debug' })
  await peer.request('logging/setLevel', { level: 'error' })
  await peer.request('resources/subscribe', { uri: 'a:1' })
  await peer.request('resources/subscribe', { uri: 'a:2' })
  await peer.request('resources/unsubscribe', { uri: 'a:1' })
  const { result } = await peer.request('test/pids')

  const began = Date.now()
  const silent = peer.request('test/silence')
  const crashed = await peer.request('test/crash', { code: 7, stderr: 'out of luck' })
  t.ok(Date.now() - began < 1000, 'within a second')
  t.equal(crashed.error.code, -32000)
  t.match(crashed.error.message, /exited with code 7; it said: out of luck$/)
  t.match(
    (await silent).error.message,
    /exited with code 7/,
    'and so does the other call in flight'
  )

  const before = peer.messages.length
  t.match(await peer.request('test/echo', { a: 1 }), { result: { params: { a: 1 } } })
  t.equal(
    peer.messages.length,
    before + 1,
    'the client does not get the responses that restore the session'
  )
  t.not((await peer.request('test/pids')).result.pid, result.pid)
  t.strictSame((await received(peer)).slice(0, 5), [
    ['initialize', initializeParams],
    ['notifications/initialized', {}],
    ['logging/setLevel', { level: 'error' }],
    ['resources/subscribe', { uri: 'a:2' }],
    ['test/echo', { a: 1 }]
  ])
  t.equal(peer.children.length, 2)
})

t.test('a server that is killed, or exits, is restarted too', async (t) => {
  const peer = startMisbehaving(t)
  await peer.initialize()
  t.match((await peer.request('test/kill-self')).error.message, /was ended by SIGKILL/)
  t.match((await peer.request('test/exit-clean')).error.message, /exited with code 0/)
  t.match(await peer.request('test/exit-clean', { answer: true }), { result: {} })
  await closed(peer.children[2])
  t.match(await peer.request('test/echo'), { result: {} })
  t.equal(peer.children.length, 4)
})

t.test('a session that was not initialized is restored without `initialize`', async (t) => {
  const peer = startMisbehaving(t)
  await peer.request('ping')
  await peer.request('test/crash')
  await peer.request('ping')
  t.strictSame(withoutParams(await received(peer)), ['ping', 'test/received'])
})

t.test('it emits `ready` once, when a server has answered for the first time', async (t) => {
  const peer = startMisbehaving(t)
  let count = 0
  peer.transport.on('ready', () => count++)
  const answered = peer.initialize()
  t.equal(count, 0)
  await answered
  await peer.request('test/crash')
  await peer.request('ping')
  t.equal(count, 1)
})

t.test('a frame that the dead server never took goes to the next one, once', async (t) => {
  const peer = startMisbehaving(t)
  await peer.initialize()
  // Far more than a pipe holds, to a process that exits before it reads it.
  void peer.send({ id: 'crash', method: 'test/crash', params: { code: 1 } })
  const big = peer.request('test/echo', { text: 'x'.repeat(4 * 1024 * 1024) })
  const level = peer.request('logging/setLevel', { level: 'error' })
  const small = peer.request('test/echo', { text: 'small' })
  t.match(await big, { result: { params: { text: /^x+$/ } } })
  t.match(await level, { result: {} })
  t.match(await small, { result: { params: { text: 'small' } } })
  t.strictSame(withoutParams(await received(peer)), [
    'initialize',
    'notifications/initialized',
    'big',
    'logging/setLevel',
    'test/echo',
    'test/received'
  ])
})

/** The numbers in the messages that the current process received after the handshake, in order. */
const numbersIn = (messages: unknown[]): unknown[] =>
  messages.slice(2, -1).map((each) => ((each as unknown[])[1] as Json)?.n)

t.test('all frames that a deaf server never took go to the next one, once, in order', async (t) => {
  const peer = startMisbehaving(t, {}, (n) => (n === 0 ? ['--deaf'] : []))
  await peer.initialize()
  await turn() // `initialized` is written before the frames that follow
  // The first frame fills the pipe, and the others fill all buffers.
  const sizes = Array<number[]>(5).fill([500_000, 10, 20, 100_000, 30, 70_000, 40, 50, 60]).flat()
  const text = (size: number): string => 'x'.repeat(size)
  const all = sizes.map((size, n) => peer.request('test/echo', { n, text: text(size) }))
  for (let n = 0; n < 20; n++) await turn()
  t.ok(peer.transport.writableNeedDrain, 'the writer has to wait')
  process.kill(peer.children[0]?.pid as number)
  for (const [n, answer] of all.entries()) {
    t.match(await answer, { result: { params: { n, text: text(sizes[n] as number) } } })
  }
  const messages = await received(peer)
  t.strictSame(withoutParams(messages).slice(0, 2), ['initialize', 'notifications/initialized'])
  t.strictSame(numbersIn(messages), [...sizes.keys()])
})

t.test(
  'frames that are written while the session is restored come after the queued ones',
  async (t) => {
    const peer = startMisbehaving(t, {}, (n) => (n === 0 ? ['--deaf'] : ['--start-delay', '100']))
    await peer.initialize()
    await turn()
    const fill = 'x'.repeat(500_000)
    const ask = (n: number, text = ''): Promise<Json> => peer.request('test/echo', { n, text })
    const first = [ask(0, fill), ask(1), ask(2)]
    await turn()
    process.kill(peer.children[0]?.pid as number)
    await until(() => peer.children.length === 2)
    const later = [ask(3), ask(4), ask(5)]
    for (const [n, answer] of [...first, ...later].entries()) {
      t.match(await answer, { result: { params: { n } } })
    }
    t.strictSame(numbersIn(await received(peer)), [0, 1, 2, 3, 4, 5])
  }
)

t.test('frames of one write that may have been read are not sent twice', async (t) => {
  const peer = startMisbehaving(t, {}, (n) => (n === 0 ? ['--deaf'] : []))
  await peer.initialize()
  await turn()
  // More than the server's pipe holds, in frames that go out together: the last ones stay in it.
  const text = 'x'.repeat(30_000)
  const all = Array.from({ length: 40 }, (_, n) => peer.request('test/echo', { n, text }))
  for (let n = 0; n < 20; n++) await turn()
  process.kill(peer.children[0]?.pid as number)
  const failed: number[] = []
  for (const [n, answer] of all.entries()) {
    const { result, error } = await answer
    if (error === undefined) t.equal(result.params.n, n)
    else failed.push(n)
    if (error !== undefined) t.match(error, { code: -32000, message: /was ended by SIGTERM/ })
  }
  const count = failed.length
  t.ok(count > 0 && count < 40, `${count} may have been read`)
  t.strictSame(failed, [...failed.keys()], 'the first ones')
  const sent = [...all.keys()].slice(count)
  t.strictSame(numbersIn(await received(peer)), sent, 'and the others are sent once, in order')
  t.equal(peer.messages.filter(({ id }) => id !== undefined).length, 42, 'each has one response')
})

t.test('`initialized` is sent once, though the dead server never took it', async (t) => {
  const peer = startMisbehaving(t, {}, (n) => (n === 0 ? ['--deaf'] : []))
  await peer.request('initialize', initializeParams)
  const text = 'x'.repeat(500_000)
  const first = peer.request('test/echo', { n: 0, text })
  void peer.notify('notifications/initialized')
  void peer.request('logging/setLevel', { n: 1, level: 'error' })
  for (let n = 0; n < 20; n++) await turn()
  process.kill(peer.children[0]?.pid as number)
  t.match(await first, { result: {} })
  t.strictSame(withoutParams(await received(peer)), [
    'initialize',
    'test/echo',
    'notifications/initialized',
    'logging/setLevel',
    'test/received'
  ])
})

t.test('requests of a dead server are cancelled, and responses to them dropped', async (t) => {
  const peer = startMisbehaving(t)
  await peer.initialize()
  void peer.request('test/ask', { method: 'roots/list', params: {} })
  const question = await peer.messages.until(({ method }) => method === 'roots/list')
  await peer.request('test/crash')
  t.match(await peer.messages.until(({ method }) => method === 'notifications/cancelled'), {
    params: { requestId: question.id, reason: /gone/ }
  })
  await peer.send({ id: question.id, result: { roots: [] } })
  // A response to no request passes: the server may judge it.
  await peer.send({ id: 'unasked', result: {} })
  await peer.request('ping')

  const asking = peer.request('test/ask', { method: 'roots/list', params: {} })
  const again = await peer.messages.until(
    (message) => message !== question && message.method === 'roots/list'
  )
  t.equal(again.id, question.id, 'the next server counts from one again')
  await peer.send({ id: again.id, result: { roots: ['now'] } })
  t.match(await asking, { result: { answer: { result: { roots: ['now'] } } } })
  t.strictSame(withoutParams(await received(peer)), [
    'initialize',
    'notifications/initialized',
    'answer unasked',
    'ping',
    'test/ask',
    `answer ${question.id}`,
    'test/received'
  ])
})

t.test('a response in the pipe of the dead server is dropped too', async (t) => {
  const peer = startMisbehaving(t)
  await peer.initialize()
  void peer.request('test/ask', { method: 'roots/list', params: {} })
  const question = await peer.messages.until(({ method }) => method === 'roots/list')
  void peer.send({ id: 'crash', method: 'test/crash', params: {} })
  t.ok(await peer.send({ id: question.id, result: { text: 'x'.repeat(4 * 1024 * 1024) } }))
  t.strictSame(withoutParams(await received(peer)), [
    'initialize',
    'notifications/initialized',
    'test/received'
  ])
})

t.test(
  'a response that waits for room when the server closes goes to no other server',
  async (t) => {
    const servers: Duplex[] = []
    const taken: unknown[] = []
    const connect = (): Duplex => {
      const isFirst = servers.length === 0
      const server = new Duplex({
        objectMode: true,
        writableHighWaterMark: 1,
        read() {},
        write(frame: Frame, _encoding, callback) {
          if (!isFirst) {
            taken.push(frame.method ?? `answer ${frame.id}`)
            // The next server's request has the same id.
            if (frame.method === 'initialize') this.push(request('q', 'roots/list'))
          }
          if (frame.kind === 'request') this.push(response(frame.id as Id))
          // The first server never takes responses.
          if (frame.kind !== 'response' || !isFirst) callback()
        }
      })
      servers.push(server)
      return server
    }
    const peer = new Peer(reconnect(connect))
    await peer.initialize()
    servers[0]?.push(request('q', 'roots/list'))
    await peer.messages.until(({ method }) => method === 'roots/list')
    const answered = peer.send({ id: 'q', result: {} })
    const pinged = peer.request('ping')
    servers[0]?.destroy()
    t.equal(await answered, true, 'its write is completed')
    t.match(await pinged, { result: {} })
    t.strictSame(taken, ['initialize', 'notifications/initialized', 'ping'])
  }
)

t.test('a request in flight fails, even when a response with its id waits', async (t) => {
  const peer = startMisbehaving(t)
  await peer.initialize()
  void peer.request('test/ask', { method: 'roots/list', params: {} })
  const question = await peer.messages.until(({ method }) => method === 'roots/list')
  void peer.send({ id: question.id, method: 'test/crash' })
  void peer.send({ id: question.id, result: { text: 'x'.repeat(4 * 1024 * 1024) } })
  t.ok(await peer.messages.until(({ id, error }) => id === question.id && error?.code === -32000))
})

t.test(
  'when a server cannot start, `initialize` gets an error and the transport fails',
  async (t) => {
    for (const [flags, message] of [
      [['--crash-on-start', '3'], /exited with code 3; it said: crashing on start, as requested$/],
      [['--no-initialize-answer', '--exit-on-eof-without-answering'], /exited with code/]
    ] as const) {
      const peer = startMisbehaving(t, {}, () => [...flags])
      const answered = peer.request('initialize', initializeParams)
      if (flags.length > 1) void peer.send({ id: 'crash', method: 'test/crash' })
      t.match(await answered, { error: { code: -32000, message } })
      t.match(await peer.closed, { code: 'ERR_SERVER_EXITED', message })
      t.equal(peer.children.length, 1)
    }
  }
)

t.test('when the command is not found, all requests get an error', async (t) => {
  const connect = () => connectChild({ command: '/nowhere' })
  const peer = new Peer(reconnect(connect))
  const all = [peer.request('initialize', initializeParams), peer.request('ping')]
  t.match(await all[0], { error: { code: -32000, message: /^cannot start "\/nowhere"/ } })
  t.match(await all[1], { error: { code: -32000, message: /^cannot start "\/nowhere"/ } })
  t.match(await peer.closed, { code: 'ERR_COMMAND_NOT_FOUND' })
})

t.test(
  'when the command is gone after a crash, it is started again until it is back',
  async (t) => {
    let started = 0
    const peer = new Peer(
      reconnect(() => connectChild(++started === 2 ? { command: '/nowhere' } : misbehaving()))
    )
    t.teardown(() => peer.transport.destroy())
    // There is no session to restore, so nothing waits for the server that cannot start.
    await peer.request('ping')
    await peer.request('test/crash')
    // No server took it, so it waits for the next one.
    t.match(await peer.request('ping'), { result: {} })
    t.equal(started, 3)
  }
)

t.test('a client that writes or ends after the start has failed gets the error', async (t) => {
  const connect = () => connectChild({ command: '/nowhere' })
  for (const speaks of [true, false]) {
    const transport = reconnect(connect)
    const peer = new Peer(transport)
    await new Promise((resolve) => setTimeout(resolve, 20))
    t.notOk(transport.closed)
    const answered = speaks ? peer.request('initialize', initializeParams) : transport.end()
    if (speaks) t.match(await answered, { error: { message: /^cannot start "\/nowhere"/ } })
    t.match(await peer.closed, { code: 'ERR_COMMAND_NOT_FOUND' })
  }
})

t.test('a client that has ended before the start fails gets the error', async (t) => {
  const peer = startMisbehaving(t, {}, () => ['--crash-on-start', '3'])
  const answered = peer.request('initialize', initializeParams)
  peer.transport.end()
  t.match(await answered, { error: { message: /exited with code 3/ } })
  t.match(await peer.closed, { code: 'ERR_SERVER_EXITED' })
})

t.test('restarts are limited, and each pause is longer', async (t) => {
  const log = new KeptLog()
  const peer = startMisbehaving(t, { restarts: 3, log }, (n) =>
    n === 0 ? [] : ['--crash-on-start', '9']
  )
  await peer.initialize()
  const began = Date.now()
  await peer.request('test/crash', { code: 4 })
  t.match(await peer.request('test/echo'), {
    error: {
      code: -32000,
      message: /closed the connection before it answered initialize.*exited with code 9/
    }
  })
  t.match(await peer.closed, {
    code: 'ERR_SERVER_START',
    message: 'given up after 3 restarts in a minute (see --restarts)',
    cause: { code: 'ERR_SERVER_START' }
  })
  t.ok(Date.now() - began >= 300, 'pauses of 0, 100 and 200 ms')
  t.equal(peer.children.length, 4)
  t.match([...log.lines], [/^warn: starting again: .*code 4/, /code 9/, /code 9/])
  t.equal(log.lines.length, 3)
})

t.test(
  'restarts more than a minute ago do not count, whatever the system clock says',
  async (t) => {
    const peer = startMisbehaving(t, { restarts: 1 })
    await peer.initialize()
    await peer.request('test/crash')
    await peer.request('ping')
    const now = performance.now()
    const date = Date.now()
    t.intercept(performance, 'now', { value: () => now + 61_000 })
    t.intercept(Date, 'now', { value: () => date - 3_600_000 })
    await peer.request('test/crash')
    t.match(await peer.request('ping'), { result: {} })
  }
)

t.test('restarts within a minute count, though the system clock is set forward', async (t) => {
  const peer = startMisbehaving(t, { restarts: 1 })
  await peer.initialize()
  await peer.request('test/crash')
  await peer.request('ping')
  const date = Date.now()
  t.intercept(Date, 'now', { value: () => date + 3_600_000 })
  await peer.request('test/crash')
  t.match(await peer.closed, { message: /^given up after 1 restarts/ })
})

t.test('a limit of 0 allows any number of restarts', async (t) => {
  const peer = startMisbehaving(t, { restarts: 0 })
  await peer.initialize()
  for (let n = 0; n < 3; n++) await peer.request('test/crash')
  t.match(await peer.request('ping'), { result: {} })
})

t.test('a server that does not restore the session in time is replaced', async (t) => {
  const slow = (n: number): string[] => (n === 1 ? ['--no-initialize-answer'] : [])
  const peer = startMisbehaving(t, { connectTimeout: 500 }, slow)
  await peer.initialize()
  await peer.request('test/crash')
  t.match(await peer.request('ping'), { result: {} })
  t.equal(peer.children.length, 3)
  await closed(peer.children[1])
})

t.test('the client gets what the server sends while the session is restored', async (t) => {
  const server = await startHttpServer()
  t.teardown(() => server.close())
  const peer = startHttp(t, server)
  await peer.initialize()
  await peer.request('logging/setLevel', {})
  server.sessions.clear()
  server.script.onPost = (message: Json, { sse, byDefault }) => {
    if (message.method !== 'logging/setLevel') return byDefault()
    const stream = sse()
    stream.send({ jsonrpc: '2.0', method: 'notifications/message', params: { data: 'hello' } })
    stream.send(answer(message))
    stream.end()
  }
  await peer.request('test/any')
  t.match(await peer.messages.until(({ method }) => method === 'notifications/message'), {
    params: { data: 'hello' }
  })
})

// Endings.

t.test('the end waits for the responses, then the server exits', async (t) => {
  const peer = startMisbehaving(t)
  await peer.initialize()
  const slept = peer.request('test/sleep', { ms: 200 })
  peer.transport.end()
  t.match(await slept, { result: { ms: 200 } })
  t.equal(await peer.closed, undefined)
  t.notOk(isRunning(peer.children[0]?.pid as number))
})

t.test('a client can end before it sends anything', async (t) => {
  const peer = startMisbehaving(t)
  peer.transport.end()
  t.equal(await peer.closed, undefined)
})

t.test('a crash after the client has ended is an error, and not a restart', async (t) => {
  const peer = startMisbehaving(t)
  await peer.initialize()
  void peer.request('test/ask', { method: 'roots/list', params: {} })
  await peer.messages.until(({ method }) => method === 'roots/list')
  const crashed = peer.request('test/crash', { code: 8 })
  peer.transport.end()
  t.match(await crashed, { error: { message: /exited with code 8/ } })
  t.ok(await peer.messages.until(({ method }) => method === 'notifications/cancelled'))
  t.equal(await peer.closed, undefined)
  t.equal(peer.children.length, 1)
})

t.test('a frame that was never taken goes to the next server, even after the end', async (t) => {
  const peer = startMisbehaving(t)
  await peer.initialize()
  void peer.send({ id: 'crash', method: 'test/crash', params: {} })
  const big = peer.request('test/echo', { text: 'x'.repeat(4 * 1024 * 1024) })
  peer.transport.end()
  t.match(await big, { result: { params: { text: /^x+$/ } } })
  t.equal(await peer.closed, undefined)
})

t.test('a client can end while the next start is pending', async (t) => {
  const peer = startMisbehaving(t, {}, (n) => (n === 1 ? ['--crash-on-start', '1'] : []))
  await peer.initialize()
  await peer.request('test/crash')
  await until(() => peer.children.length === 2)
  await closed(peer.children[1])
  peer.transport.end()
  t.equal(await peer.closed, undefined)
  t.equal(peer.children.length, 2)
})

t.test('a client can end while the session is restored', async (t) => {
  const peer = startMisbehaving(t, {}, (n) => (n === 1 ? ['--no-initialize-answer'] : []))
  await peer.initialize()
  await peer.request('test/crash')
  await until(() => peer.children[1]?.pid !== undefined)
  peer.transport.end()
  t.equal(await peer.closed, undefined)
  t.notOk(isRunning(peer.children[1]?.pid as number))
  t.equal(peer.children.length, 2)
})

t.test('it can be destroyed at once, and twice', async (t) => {
  const peer = startMisbehaving(t)
  peer.transport.destroy()
  peer.transport.destroy()
  t.equal(await peer.closed, undefined)
  t.ok(peer.children[0]?.closed)
})

t.test('it can be destroyed with an error, or by a signal', async (t) => {
  const peer = startMisbehaving(t)
  const error = new Error('enough')
  peer.transport.destroy(error)
  t.equal(await peer.closed, error)

  const controller = new AbortController()
  const other = startMisbehaving(t, { signal: controller.signal })
  await other.initialize()
  controller.abort()
  t.match(await other.closed, { name: 'AbortError' })
  t.notOk(isRunning(other.children[0]?.pid as number))
})

t.test('it can be destroyed during a write', async (t) => {
  const peer = startMisbehaving(t, {}, () => ['--deaf'])
  await peer.initialize()
  const frames = Array.from({ length: 40 }, (_, id) =>
    peer.send({ id, method: 'test/echo', params: { text: 'x'.repeat(1024 * 1024) } })
  )
  peer.transport.destroy()
  t.notOk((await Promise.all(frames)).at(-1), 'not all frames had room')
  t.equal(await peer.closed, undefined)
  t.notOk(isRunning(peer.children[0]?.pid as number))
})

t.test('it can be destroyed while the next start is pending', async (t) => {
  const peer = startMisbehaving(t, {}, (n) => (n === 1 ? ['--crash-on-start', '1'] : []))
  await peer.initialize()
  await peer.request('test/crash')
  const waits = peer.notify('test/nothing')
  await until(() => peer.children.length === 2)
  await closed(peer.children[1])
  peer.transport.destroy()
  t.equal(await waits, false)
  t.equal(await peer.closed, undefined)
  t.equal(peer.children.length, 2)
})

t.test('it can be destroyed while the session is restored', async (t) => {
  const peer = startMisbehaving(t, {}, (n) => (n === 1 ? ['--no-initialize-answer'] : []))
  await peer.initialize()
  await peer.request('test/crash')
  await until(() => peer.children[1]?.pid !== undefined)
  peer.transport.destroy()
  t.equal(await peer.closed, undefined)
  t.notOk(isRunning(peer.children[1]?.pid as number))
})

/** A server in memory. `write` gets each frame. */
const memory = (write: (frame: Frame, callback: () => void, server: Duplex) => void): Duplex =>
  new Duplex({
    objectMode: true,
    read() {},
    write(frame: Frame, _encoding, callback) {
      write(frame, callback, this)
    }
  })

t.test('it can be destroyed before a write is confirmed', async (t) => {
  let confirm: (() => void) | undefined
  const peer = new Peer(reconnect(() => memory((_frame, callback) => (confirm = callback))))
  const sent = peer.notify('test/any')
  peer.transport.destroy()
  confirm?.()
  t.equal(await sent, true, 'the frame had room')
  t.equal(await peer.closed, undefined)
})

t.test('it can be destroyed by a listener while the session is restored', async (t) => {
  const servers: Duplex[] = []
  const connect = (): Duplex => {
    const server = memory((frame, callback) => {
      if (frame.kind === 'request') {
        server.push(makeFrame({ jsonrpc: '2.0', method: 'test/hello' }))
        server.push(makeFrame({ jsonrpc: '2.0', id: frame.id as Id, result: {} }))
      }
      callback()
    })
    servers.push(server)
    return server
  }
  const peer = new Peer(reconnect(connect))
  await peer.initialize()
  peer.transport.on('data', () => peer.transport.destroy())
  servers[0]?.destroy()
  t.equal(await peer.closed, undefined)
  await until(() => servers[1]?.closed === true)
  t.equal(servers.length, 2)
})

t.test('a client that does not read stops the server', async (t) => {
  const peer = startMisbehaving(t)
  await peer.initialize()
  peer.transport.pause()
  const before = peer.messages.length
  for (let n = 0; n < 40; n++) void peer.request('test/echo', { n })
  const child = peer.children[0] as ChildTransport
  await until(() => child.isPaused())
  t.ok(peer.messages.length < before + 40)
  const last = peer.request('ping')
  peer.transport.resume()
  t.match(await last, { result: {} })
  t.equal(peer.messages.length, before + 41)
})

// A server over HTTP that has forgotten the session.

function startHttp(t: Test, server: HttpServer, options: ReconnectOptions = {}): Peer {
  const peer = new Peer(reconnect(() => connectHttp({ url: server.url }), options))
  t.teardown(async () => {
    peer.transport.destroy()
    await peer.closed
  })
  return peer
}

const posted = ({ requests }: HttpServer): string[] =>
  requests
    .filter(({ method }) => method === 'POST')
    .map(({ message }) => message.method ?? `answer ${message.id}`)

t.test('a forgotten session is restored, and the refused requests get responses', async (t) => {
  const server = await startHttpServer()
  t.teardown(() => server.close())
  const peer = startHttp(t, server)
  await peer.initialize()
  await peer.request('resources/subscribe', { uri: 'a:1' })
  const [first] = server.sessions
  server.sessions.clear()
  server.requests.length = 0

  const all = await Promise.all([1, 2, 3, 4, 5].map((n) => peer.request('test/any', { n })))
  for (const [index, response] of all.entries()) t.match(response.result.params, { n: index + 1 })
  t.equal(server.sessions.size, 1)
  t.notOk(server.sessions.has(first as string))

  const methods = posted(server)
  const start = methods.indexOf('initialize')
  t.strictSame(methods.slice(start).sort(), [
    'initialize',
    'notifications/initialized',
    'resources/subscribe',
    ...Array<string>(5).fill('test/any')
  ])
  t.equal(peer.messages.length, 7, 'no request has two responses')
})

t.test('a call in flight on another stream fails: the server may have acted on it', async (t) => {
  const server = await startHttpServer()
  t.teardown(() => server.close())
  const peer = startHttp(t, server)
  await peer.initialize()
  const script: Script = server.script
  const hangs = new Promise<void>((resolve) => {
    script.onPost = (message: Json, { sse, byDefault }) => {
      if (message.method !== 'test/hang') return byDefault()
      sse()
      resolve()
    }
  })
  const hung = peer.request('test/hang')
  await hangs
  server.sessions.clear()
  t.match(await peer.request('test/any'), { result: { method: 'test/any' } })
  t.match(await hung, { error: { code: -32001, message: /no longer knows the session/ } })
  t.equal(posted(server).filter((method) => method === 'test/hang').length, 1)
})

t.test('a refused `logging/setLevel` is sent once to the new session', async (t) => {
  const server = await startHttpServer()
  t.teardown(() => server.close())
  const peer = startHttp(t, server)
  await peer.initialize()
  await until(() => posted(server).length === 2)
  server.sessions.clear()
  server.requests.length = 0
  t.match(await peer.request('logging/setLevel', { level: 'error' }), {
    result: { params: { level: 'error' } }
  })
  t.strictSame(posted(server), [
    'logging/setLevel',
    'initialize',
    'notifications/initialized',
    'logging/setLevel'
  ])
})

t.test('a refused response is not sent again', async (t) => {
  const server = await startHttpServer()
  t.teardown(() => server.close())
  const peer = startHttp(t, server)
  await peer.initialize()
  await until(() => server.streams.length === 1)
  server.streams[0]?.send({ jsonrpc: '2.0', id: 'q', method: 'roots/list' })
  await peer.messages.until(({ method }) => method === 'roots/list')
  server.sessions.clear()
  server.requests.length = 0
  await peer.send({ id: 'q', result: { roots: [] } })
  await peer.request('test/any')
  const methods = posted(server)
  t.strictSame(methods.slice(0, 2), ['answer q', 'initialize'])
  t.notOk(methods.slice(1).includes('answer q'))
})

t.test('a session is restored even after the client has ended', async (t) => {
  const server = await startHttpServer()
  t.teardown(() => server.close())
  const peer = startHttp(t, server)
  await peer.initialize()
  server.sessions.clear()
  const called = peer.request('test/any', { last: true })
  peer.transport.end()
  t.match(await called, { result: { params: { last: true } } })
  t.equal(await peer.closed, undefined)
  t.equal(server.sessions.size, 0, 'and ended')
})

t.test('an error that is no ProxyError becomes the cause of one', async (t) => {
  const child = connectChild(misbehaving())
  const peer = new Peer(reconnect(() => child))
  const answered = peer.request('test/silence')
  const cause = new Error('cut')
  child.destroy(cause)
  t.match(await answered, {
    error: { message: 'the connection to the server ended: cut' }
  })
  t.match(await peer.closed, { code: 'ERR_CONNECTION', cause })
  t.ok((await peer.closed) instanceof ProxyError)
})

// ---- The end of the client, and of its time.

/** A server that answers `initialize` only, with what it got. */
function startMute(): { server: Duplex; got: Json[]; connect: () => Duplex } {
  const got: Json[] = []
  const server: Duplex = new Duplex({
    objectMode: true,
    read() {},
    write(frame: Frame, _encoding, callback) {
      got.push(frame.message())
      if (frame.method === 'initialize') this.push(response(frame.id as Id, {}))
      callback()
    },
    final(callback) {
      this.push(null)
      callback()
    }
  })
  return { server, got, connect: () => server }
}

t.test(
  'when the client ends, `subscriptions/listen` is cancelled and not waited for',
  async (t) => {
    const { got, connect } = startMute()
    const peer = new Peer(reconnect(connect))
    await peer.initialize()
    void peer.request('subscriptions/listen', {}, 'sub')
    void peer.request('subscriptions/listen', {}, 'other')
    await peer.notify('notifications/cancelled', { requestId: 'other' })
    peer.transport.end()
    t.equal(await peer.closed, undefined)
    t.match(got.slice(-2), [
      { method: 'notifications/cancelled', params: { requestId: 'other' } },
      { method: 'notifications/cancelled', params: { requestId: 'sub' } }
    ])
  }
)

t.test('`expire` answers each request with the error, before and after it', async (t) => {
  for (const order of ['expire first', 'end first'] as const) {
    const { connect, server } = startMute()
    const transport = reconnect(connect)
    const peer = new Peer(transport)
    await peer.initialize()
    const pending = peer.request('test/hang')
    if (order === 'end first') transport.end()
    transport.expire(new ProxyError('ERR_TIMEOUT', 'time is up'))
    t.match(await pending, { error: { code: -32000, message: 'time is up' } })
    t.ok(server.destroyed)
    if (order === 'expire first') {
      t.match(await peer.request('test/late'), { error: { message: 'time is up' } })
      await peer.notify('test/late')
      transport.end()
    }
    t.equal(await peer.closed, undefined)
  }
})

t.test('`expire` and the end in one turn close the transport too', async (t) => {
  const { connect } = startMute()
  const transport = reconnect(connect)
  const peer = new Peer(transport)
  await peer.initialize()
  transport.expire(new ProxyError('ERR_TIMEOUT', 'time is up'))
  transport.end()
  t.equal(await peer.closed, undefined)
})

t.test('`expire` ends a restart', async (t) => {
  const first = startMute().server
  const next = new Duplex({
    objectMode: true,
    read() {},
    write: (_frame, _encoding, done) => done()
  })
  let count = 0
  const transport = reconnect(() => (count++ === 0 ? first : next))
  const peer = new Peer(transport)
  await peer.initialize()
  first.destroy()
  await until(() => count === 2)
  transport.expire(new ProxyError('ERR_TIMEOUT', 'time is up'))
  t.ok(next.destroyed)
  transport.end()
  t.equal(await peer.closed, undefined)
})
