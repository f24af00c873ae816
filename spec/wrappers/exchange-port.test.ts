// A request that a shared server serves without a transport.

import t from 'tap'
import type { Test } from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import type { Frame } from '../../lib/message/frame.ts'
import type { Exchange } from '../../lib/streams/exchange.ts'
import type { FactClient } from '../../lib/streams/facts.ts'
import { ExchangePort } from '../../lib/wrappers/exchange-port.ts'
import { share } from '../../lib/wrappers/share.ts'
import type { SharedServer, ShareOptions } from '../../lib/wrappers/share.ts'
import { KeptLog } from '../helpers.ts'
import { frameOf, TextServer } from './text-server.ts'

/** An exchange whose client takes each message at once, or when `take` is called. */
class FakeExchange implements Exchange {
  readonly client: FactClient = { server: '', session: 'x', kind: 'modern' }
  readonly request: Frame
  readonly texts: string[] = []
  /** What `destroy` got, at each call before the end. */
  readonly ends: (Error | null | undefined)[] = []
  began = false
  isSlow = false
  fails = false
  onClose = (_error?: Error): void => {}
  #taken: (() => void) | undefined

  constructor(request: string | object = { id: 1, method: 'x' }) {
    this.request = frameOf(request)
  }

  begin(): void {
    this.began = true
  }

  send(frame: Frame, callback: () => void): void {
    if (this.fails) throw new TypeError('secret text')
    this.texts.push(String(frame))
    if (this.isSlow) this.#taken = callback
    else callback()
  }

  take(): void {
    this.#taken?.()
  }

  destroy(error?: Error | null): void {
    if (this.ends.length > 0) return
    this.ends.push(error)
    this.onClose(error ?? undefined)
  }
}

interface Started {
  server: TextServer
  shared: SharedServer
  log: KeptLog
  /** What `onEnd` got, at each call. */
  ended: (Error | undefined)[]
  serve(exchange: FakeExchange): void
}

async function start(t: Test, options?: ShareOptions): Promise<Started> {
  const server = new TextServer()
  const log = new KeptLog()
  const shared = share(() => server, { ...options, log })
  t.teardown(() => shared.destroy())
  await shared.ready()
  const ended: (Error | undefined)[] = []
  const serve = (exchange: FakeExchange): void =>
    shared.serve(exchange, (error) => ended.push(error))
  return { server, shared, log, ended, serve }
}

/** Waits until the shared server has read what the server said. */
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

const params = { _meta: { progressToken: 'p' } }
const note = (n: number): object => ({
  method: 'notifications/progress',
  params: { progressToken: 1, progress: n }
})
const noteText = (n: number): string =>
  `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":${n}}}`

t.test('the client gets what belongs to its request, and then the exchange is over', async (t) => {
  const { server, ended, serve } = await start(t)
  const exchange = new FakeExchange({ id: 'a', method: 'tools/call', params })
  serve(exchange)
  t.ok(exchange.began)
  await server.got('tools/call')
  server.say(note(1))
  server.say({ id: 1, result: {} })
  server.say(note(2))
  await turn()
  t.strictSame(exchange.texts, [noteText(1), '{"jsonrpc":"2.0","id":"a","result":{}}'])
  t.strictSame([exchange.ends.length, ended], [1, [undefined]])
  t.equal(server.received.length, 1, 'nothing is cancelled')
})

t.test('two exchanges with the same id and token each get their own messages', async (t) => {
  const { server, serve } = await start(t)
  const [one, other] = [1, 2].map(() => new FakeExchange({ id: 7, method: 'x', params })) as [
    FakeExchange,
    FakeExchange
  ]
  serve(one)
  serve(other)
  await server.got('x', 2)
  server.say({ id: 2, result: { n: 2 } })
  server.say({ id: 1, result: { n: 1 } })
  await turn()
  t.strictSame(one.texts, ['{"jsonrpc":"2.0","id":7,"result":{"n":1}}'])
  t.strictSame(other.texts, ['{"jsonrpc":"2.0","id":7,"result":{"n":2}}'])
})

t.test('a client that leaves cancels its request', async (t) => {
  const { server, ended, serve } = await start(t)
  const exchange = new FakeExchange()
  serve(exchange)
  await server.got('x')
  exchange.destroy()
  const { params } = (await server.got('notifications/cancelled')).message()
  t.match(params, { requestId: 1 })
  server.say({ id: 1, result: {} })
  await turn()
  t.strictSame([exchange.texts, ended], [[], [undefined]])
})

t.test('a message that parsers may read in different ways is refused', async (t) => {
  const { server, serve } = await start(t)
  const exchange = new FakeExchange('{"jsonrpc":"2.0","id":1,"ID":2,"method":"x"}')
  serve(exchange)
  t.match(exchange.texts, [/"code":-32600/])
  t.strictSame([exchange.ends.length, server.received.length], [1, 0])
})

t.test('messages wait for a slow client, in order', async (t) => {
  const { server, ended, serve } = await start(t)
  const exchange = new FakeExchange({ id: 1, method: 'x', params })
  exchange.isSlow = true
  serve(exchange)
  await server.got('x')
  for (const n of [1, 2, 3]) server.say(note(n))
  server.say({ id: 1, result: {} })
  await turn()
  t.strictSame(exchange.texts, [noteText(1)])
  exchange.take()
  t.strictSame(exchange.texts, [1, 2].map(noteText))
  exchange.isSlow = false
  exchange.take()
  t.strictSame(exchange.texts, [...[1, 2, 3].map(noteText), '{"jsonrpc":"2.0","id":1,"result":{}}'])
  t.strictSame([exchange.ends.length, ended], [1, [undefined]])
})

t.test('the exchange is over when a slow client has taken its response', async (t) => {
  const { server, serve } = await start(t)
  const exchange = new FakeExchange()
  exchange.isSlow = true
  serve(exchange)
  await server.got('x')
  server.say({ id: 1, result: {} })
  await turn()
  t.strictSame([exchange.texts.length, exchange.ends.length], [1, 0])
  exchange.take()
  t.equal(exchange.ends.length, 1)
})

t.test('any number of messages may wait', async (t) => {
  const { server, serve } = await start(t)
  const exchange = new FakeExchange({ id: 1, method: 'x', params })
  exchange.isSlow = true
  serve(exchange)
  await server.got('x')
  for (let n = 0; n < 20_000; n++) server.say(note(n))
  await turn()
  exchange.isSlow = false
  exchange.take()
  t.equal(exchange.texts.length, 20_000)
})

t.test('a client that does not read fails, and the others go on', async (t) => {
  const { server, ended, serve } = await start(t, { maxQueue: 200 })
  const slow = new FakeExchange({ id: 1, method: 'x', params })
  slow.isSlow = true
  serve(slow)
  await server.got('x')
  const other = new FakeExchange({ id: 2, method: 'y' })
  serve(other)
  await server.got('y')
  for (const n of [1, 2, 3, 4, 5]) server.say(note(n))
  server.say({ id: 2, result: {} })
  await turn()
  t.match(slow.ends, [{ code: 'ERR_CLIENT_SLOW' }])
  t.match(ended, [{ code: 'ERR_CLIENT_SLOW' }, undefined])
  t.equal(other.texts.length, 1)
  slow.take()
  t.equal(slow.texts.length, 1, 'what waited is dropped')
})

t.test('the requests of a server that fails get its error', async (t) => {
  const { server, ended, serve } = await start(t)
  const error = new ProxyError('ERR_SERVER_EXITED', 'the server has crashed')
  const fast = new FakeExchange()
  const slow = new FakeExchange({ id: 2, method: 'y', params: { _meta: { progressToken: 'p' } } })
  slow.isSlow = true
  serve(fast)
  serve(slow)
  await server.got('y')
  server.say({ method: 'notifications/progress', params: { progressToken: 2, progress: 1 } })
  await turn()
  server.destroy(error)
  await turn()
  t.match(fast.texts, [/"id":1,"error":/])
  t.strictSame([fast.ends, slow.ends], [[error], []])
  slow.isSlow = false
  slow.take()
  t.match(slow.texts, [noteText(1), /"id":2,"error":/])
  t.strictSame([slow.ends, ended], [[error], [error, error]])
})

t.test('an exception ends only its exchange', async (t) => {
  const { server, log, ended, serve } = await start(t)
  const [first, second, third] = [1, 2, 3].map((id) => new FakeExchange({ id, method: 'x' })) as [
    FakeExchange,
    FakeExchange,
    FakeExchange
  ]
  first.begin = () => {
    throw new TypeError('secret text')
  }
  second.fails = true
  for (const exchange of [first, second, third]) serve(exchange)
  await server.got('x', 2)
  for (const id of [1, 2]) server.say({ id, result: {} })
  await turn()
  for (const { ends } of [first, second]) t.match(ends, [{ code: 'ERR_INTERNAL' }])
  t.match(log.lines, [/^error: .*secret text/, /^error: .*secret text/])
  t.strictSame([third.texts.length, third.ends], [1, [undefined]])
  t.equal(ended.length, 3)
})

t.test('a port knows only its own call', async (t) => {
  const owner = { forward: () => {}, remove: () => {} }
  const { calls } = new ExchangePort(owner, new FakeExchange(), 100, new KeptLog())
  t.strictSame(
    [calls.size, calls.values, calls.get('1'), calls.has('1')],
    [0, [], undefined, false]
  )
  calls.set('1', 5)
  t.strictSame([calls.size, calls.values, calls.get('1'), calls.has('1')], [1, [5], 5, true])
  t.strictSame([calls.get('2'), calls.delete('2'), calls.size], [undefined, false, 1])
  t.strictSame([calls.delete('1'), calls.size], [true, 0])
})
