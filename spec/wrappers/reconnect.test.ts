// Servers that die, and servers that forget, behind the transport that outlives them.

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
import { isRunning, KeptLog, rascal, request, response } from '../helpers.ts'
import { initializeParams, Peer, until } from './peer.ts'

interface Rascal extends Peer {
  /** The processes so far. */
  children: ChildTransport[]
}

/** A client of rascal through `reconnect`; `flags` gives those of the nth process. */
function startRascal(
  t: Test,
  options: ReconnectOptions = {},
  flags: (n: number) => string[] = () => []
): Rascal {
  const children: ChildTransport[] = []
  const connect = (): Duplex => {
    const child = connectChild({ ...rascal(...flags(children.length)), closeTimeout: 1000 })
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

/** What the process that runs now was told, in order: methods, and ids of responses. */
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

const withoutParams = (told: unknown[]): unknown[] => told.map((each) => (each as unknown[])[0])

t.test('a server that dies in mid-call: the call fails, and the next one works', async (t) => {
  const peer = startRascal(t)
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
  t.match((await silent).error.message, /exited with code 7/, 'so does the other one in flight')

  const before = peer.messages.length
  t.match(await peer.request('test/echo', { a: 1 }), { result: { params: { a: 1 } } })
  t.equal(
    peer.messages.length,
    before + 1,
    'answers to the repeated opening are not for the client'
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

t.test('a server that is killed, or leaves, is followed by another as well', async (t) => {
  const peer = startRascal(t)
  await peer.initialize()
  t.match((await peer.request('test/kill-self')).error.message, /was ended by SIGKILL/)
  t.match((await peer.request('test/exit-clean')).error.message, /exited with code 0/)
  t.match(await peer.request('test/exit-clean', { answer: true }), { result: {} })
  await closed(peer.children[2])
  t.match(await peer.request('test/echo'), { result: {} })
  t.equal(peer.children.length, 4)
})

t.test('a client that did not initialize need not', async (t) => {
  const peer = startRascal(t)
  await peer.request('ping')
  await peer.request('test/crash')
  await peer.request('ping')
  t.strictSame(withoutParams(await received(peer)), ['ping', 'test/received'])
})

t.test('it emits `open` when a server has answered for the first time', async (t) => {
  const peer = startRascal(t)
  let opened = 0
  peer.transport.on('open', () => opened++)
  const answered = peer.initialize()
  t.equal(opened, 0)
  await answered
  await peer.request('test/crash')
  await peer.request('ping')
  t.equal(opened, 1)
})

t.test('what was never sent is sent after, once', async (t) => {
  const peer = startRascal(t)
  await peer.initialize()
  // Far more than a pipe takes, to a process that is about to die without having read it.
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

/** The numbers in what the process that runs now was told after the opening, in order. */
const numbersIn = (told: unknown[]): unknown[] =>
  told.slice(2, -1).map((each) => ((each as unknown[])[1] as Json)?.n)

t.test(
  'small and large, all that a deaf server never had is sent after, once, in order',
  async (t) => {
    const peer = startRascal(t, {}, (n) => (n === 0 ? ['--deaf'] : []))
    await peer.initialize()
    await turn() // which is under way, and not with what follows
    // The first fills the pipe, and those after it all that there is to wait in.
    const sizes = Array<number[]>(5).fill([500_000, 10, 20, 100_000, 30, 70_000, 40, 50, 60]).flat()
    const text = (size: number): string => 'x'.repeat(size)
    const all = sizes.map((size, n) => peer.request('test/echo', { n, text: text(size) }))
    for (let n = 0; n < 20; n++) await turn()
    t.ok(peer.transport.writableNeedDrain, 'who writes has to wait')
    process.kill(peer.children[0]?.pid as number)
    for (const [n, answer] of all.entries()) {
      t.match(await answer, { result: { params: { n, text: text(sizes[n] as number) } } })
    }
    const told = await received(peer)
    t.strictSame(withoutParams(told).slice(0, 2), ['initialize', 'notifications/initialized'])
    t.strictSame(numbersIn(told), [...sizes.keys()])
  }
)

t.test(
  'what is written while the next server is opened comes after what waits for it',
  async (t) => {
    const peer = startRascal(t, {}, (n) => (n === 0 ? ['--deaf'] : ['--start-delay', '100']))
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

t.test('of several that were under way together none is sent twice', async (t) => {
  const peer = startRascal(t, {}, (n) => (n === 0 ? ['--deaf'] : []))
  await peer.initialize()
  await turn()
  // More than the server's pipe holds, in pieces that go out together: the last are stuck in it.
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
  t.strictSame(failed, [...failed.keys()], 'the first of all')
  const sent = [...all.keys()].slice(count)
  t.strictSame(numbersIn(await received(peer)), sent, 'and the others are sent, once, in order')
  t.equal(peer.messages.filter(({ id }) => id !== undefined).length, 42, 'each has one answer')
})

t.test('`initialized` is said once, though the server that should have had it died', async (t) => {
  const peer = startRascal(t, {}, (n) => (n === 0 ? ['--deaf'] : []))
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

t.test('the answers to what a dead server asked are dropped, and the client is told', async (t) => {
  const peer = startRascal(t)
  await peer.initialize()
  void peer.request('test/ask', { method: 'roots/list', params: {} })
  const question = await peer.messages.until(({ method }) => method === 'roots/list')
  await peer.request('test/crash')
  t.match(await peer.messages.until(({ method }) => method === 'notifications/cancelled'), {
    params: { requestId: question.id, reason: /gone/ }
  })
  await peer.send({ id: question.id, result: { roots: [] } })
  // One that nobody asked for is not for the proxy to judge.
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

t.test('an answer that was under way when the server died is dropped as well', async (t) => {
  const peer = startRascal(t)
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

t.test('an answer that waits for room when the server dies is for no other server', async (t) => {
  const servers: Duplex[] = []
  const told: unknown[] = []
  const connect = (): Duplex => {
    const isFirst = servers.length === 0
    const server = new Duplex({
      objectMode: true,
      writableHighWaterMark: 1,
      read() {},
      write(frame: Frame, _encoding, callback) {
        if (!isFirst) {
          told.push(frame.method ?? `answer ${frame.id}`)
          // What the next one asks has the same id.
          if (frame.method === 'initialize') this.push(request('q', 'roots/list'))
        }
        if (frame.kind === 'request') this.push(response(frame.id as Id))
        // The first takes no answers, and never says so.
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
  t.equal(await answered, true, 'and keeps nobody waiting')
  t.match(await pinged, { result: {} })
  t.strictSame(told, ['initialize', 'notifications/initialized', 'ping'])
})

t.test('a request in flight fails though an answer of its id was under way', async (t) => {
  const peer = startRascal(t)
  await peer.initialize()
  void peer.request('test/ask', { method: 'roots/list', params: {} })
  const question = await peer.messages.until(({ method }) => method === 'roots/list')
  void peer.send({ id: question.id, method: 'test/crash' })
  void peer.send({ id: question.id, result: { text: 'x'.repeat(4 * 1024 * 1024) } })
  t.ok(await peer.messages.until(({ id, error }) => id === question.id && error?.code === -32000))
})

t.test(
  'a server that cannot be started answers `initialize` with an error, and fails',
  async (t) => {
    for (const [flags, message] of [
      [
        ['--crash-on-start', '3'],
        /exited with code 3; it said: rascal: crashing on start, as told$/
      ],
      [['--no-initialize-answer', '--exit-on-eof-without-answering'], /exited with code/]
    ] as const) {
      const peer = startRascal(t, {}, () => [...flags])
      const answered = peer.request('initialize', initializeParams)
      if (flags.length > 1) void peer.send({ id: 'crash', method: 'test/crash' })
      t.match(await answered, { error: { code: -32000, message } })
      t.match(await peer.closed, { code: 'ERR_SERVER_EXITED', message })
      t.equal(peer.children.length, 1)
    }
  }
)

t.test('a command that is not there fails alike, with all that is asked', async (t) => {
  const connect = () => connectChild({ command: '/nowhere' })
  const peer = new Peer(reconnect(connect))
  const all = [peer.request('initialize', initializeParams), peer.request('ping')]
  t.match(await all[0], { error: { code: -32000, message: /^cannot start "\/nowhere"/ } })
  t.match(await all[1], { error: { code: -32000, message: /^cannot start "\/nowhere"/ } })
  t.match(await peer.closed, { code: 'ERR_COMMAND_NOT_FOUND' })
})

t.test('a client that comes late is told all the same', async (t) => {
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

t.test('a client that has said its last word is told all the same', async (t) => {
  const peer = startRascal(t, {}, () => ['--crash-on-start', '3'])
  const answered = peer.request('initialize', initializeParams)
  peer.transport.end()
  t.match(await answered, { error: { message: /exited with code 3/ } })
  t.match(await peer.closed, { code: 'ERR_SERVER_EXITED' })
})

t.test('restarts are limited, and pause longer each time', async (t) => {
  const log = new KeptLog()
  const peer = startRascal(t, { restarts: 3, log }, (n) =>
    n === 0 ? [] : ['--crash-on-start', '9']
  )
  await peer.initialize()
  const began = Date.now()
  await peer.request('test/crash', { code: 4 })
  t.match(await peer.request('test/echo'), {
    error: { code: -32000, message: /left before it answered initialize.*exited with code 9/ }
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

t.test('what happened more than a minute ago does not count', async (t) => {
  const peer = startRascal(t, { restarts: 1 })
  await peer.initialize()
  await peer.request('test/crash')
  await peer.request('ping')
  const now = Date.now()
  t.intercept(Date, 'now', { value: () => now + 61_000 })
  await peer.request('test/crash')
  t.match(await peer.request('ping'), { result: {} })
})

t.test('restarts are without limit if so wished', async (t) => {
  const peer = startRascal(t, { restarts: 0 })
  await peer.initialize()
  for (let n = 0; n < 3; n++) await peer.request('test/crash')
  t.match(await peer.request('ping'), { result: {} })
})

t.test('a server that does not open again in time counts as dead', async (t) => {
  const slow = (n: number): string[] => (n === 1 ? ['--no-initialize-answer'] : [])
  const peer = startRascal(t, { connectTimeout: 500 }, slow)
  await peer.initialize()
  await peer.request('test/crash')
  t.match(await peer.request('ping'), { result: {} })
  t.equal(peer.children.length, 3)
  await closed(peer.children[1])
})

t.test('what a server says while it is opened again is for the client', async (t) => {
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

t.test('the end waits for the answers, and then the server leaves', async (t) => {
  const peer = startRascal(t)
  await peer.initialize()
  const slept = peer.request('test/sleep', { ms: 200 })
  peer.transport.end()
  t.match(await slept, { result: { ms: 200 } })
  t.equal(await peer.closed, undefined)
  t.notOk(isRunning(peer.children[0]?.pid as number))
})

t.test('the end without a word is the end', async (t) => {
  const peer = startRascal(t)
  peer.transport.end()
  t.equal(await peer.closed, undefined)
})

t.test('a crash after the last word is told, and nothing is started for it', async (t) => {
  const peer = startRascal(t)
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

t.test('what was never sent is sent after even if it was the last word', async (t) => {
  const peer = startRascal(t)
  await peer.initialize()
  void peer.send({ id: 'crash', method: 'test/crash', params: {} })
  const big = peer.request('test/echo', { text: 'x'.repeat(4 * 1024 * 1024) })
  peer.transport.end()
  t.match(await big, { result: { params: { text: /^x+$/ } } })
  t.equal(await peer.closed, undefined)
})

t.test('the end while the next server waits to be started', async (t) => {
  const peer = startRascal(t, {}, (n) => (n === 1 ? ['--crash-on-start', '1'] : []))
  await peer.initialize()
  await peer.request('test/crash')
  await until(() => peer.children.length === 2)
  await closed(peer.children[1])
  peer.transport.end()
  t.equal(await peer.closed, undefined)
  t.equal(peer.children.length, 2)
})

t.test('the end while the next server is opened', async (t) => {
  const peer = startRascal(t, {}, (n) => (n === 1 ? ['--no-initialize-answer'] : []))
  await peer.initialize()
  await peer.request('test/crash')
  await until(() => peer.children[1]?.pid !== undefined)
  peer.transport.end()
  t.equal(await peer.closed, undefined)
  t.notOk(isRunning(peer.children[1]?.pid as number))
  t.equal(peer.children.length, 2)
})

t.test('destroy at once', async (t) => {
  const peer = startRascal(t)
  peer.transport.destroy()
  peer.transport.destroy()
  t.equal(await peer.closed, undefined)
  t.ok(peer.children[0]?.closed)
})

t.test('destroy with an error, and a signal that does it', async (t) => {
  const peer = startRascal(t)
  const error = new Error('enough')
  peer.transport.destroy(error)
  t.equal(await peer.closed, error)

  const controller = new AbortController()
  const other = startRascal(t, { signal: controller.signal })
  await other.initialize()
  controller.abort()
  t.match(await other.closed, { name: 'AbortError' })
  t.notOk(isRunning(other.children[0]?.pid as number))
})

t.test('destroy in the middle of a write', async (t) => {
  const peer = startRascal(t, {}, () => ['--deaf'])
  await peer.initialize()
  const frames = Array.from({ length: 40 }, (_, id) =>
    peer.send({ id, method: 'test/echo', params: { text: 'x'.repeat(1024 * 1024) } })
  )
  peer.transport.destroy()
  t.notOk((await Promise.all(frames)).at(-1), 'there was no room for so many')
  t.equal(await peer.closed, undefined)
  t.notOk(isRunning(peer.children[0]?.pid as number))
})

t.test('destroy while the next server waits to be started', async (t) => {
  const peer = startRascal(t, {}, (n) => (n === 1 ? ['--crash-on-start', '1'] : []))
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

t.test('destroy while the next server is opened', async (t) => {
  const peer = startRascal(t, {}, (n) => (n === 1 ? ['--no-initialize-answer'] : []))
  await peer.initialize()
  await peer.request('test/crash')
  await until(() => peer.children[1]?.pid !== undefined)
  peer.transport.destroy()
  t.equal(await peer.closed, undefined)
  t.notOk(isRunning(peer.children[1]?.pid as number))
})

/** A server in memory, which does with what it is told as it is told. */
const memory = (write: (frame: Frame, callback: () => void, server: Duplex) => void): Duplex =>
  new Duplex({
    objectMode: true,
    read() {},
    write(frame: Frame, _encoding, callback) {
      write(frame, callback, this)
    }
  })

t.test('destroy when a write is about to be confirmed', async (t) => {
  let confirm: (() => void) | undefined
  const peer = new Peer(reconnect(() => memory((_frame, callback) => (confirm = callback))))
  const sent = peer.notify('test/any')
  peer.transport.destroy()
  confirm?.()
  t.equal(await sent, true, 'there was room for it')
  t.equal(await peer.closed, undefined)
})

t.test('destroy by one who hears the next server while it is opened', async (t) => {
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
  const peer = startRascal(t)
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

t.test('a forgotten session is opened again, and what was refused is answered', async (t) => {
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
  const opening = methods.indexOf('initialize')
  t.strictSame(methods.slice(opening).sort(), [
    'initialize',
    'notifications/initialized',
    'resources/subscribe',
    ...Array<string>(5).fill('test/any')
  ])
  t.equal(peer.messages.length, 7, 'nothing is answered twice')
})

t.test('a call in flight on another stream fails, since it may have been made', async (t) => {
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

t.test('what was asked to be set is set once when it was refused', async (t) => {
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

t.test('an answer that was refused is for nobody', async (t) => {
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

t.test('a session is opened again though the client has said its last word', async (t) => {
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

t.test('errors that are not ours come along as the cause', async (t) => {
  const child = connectChild(rascal())
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
