// The proxy itself.

import { once } from 'node:events'
import { Duplex, PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { Frame } from '../../lib/message/frame.ts'
import type { Id } from '../../lib/protocol/json-rpc.ts'
import { join, joinPort } from '../../lib/proxy/join.ts'
import { acceptStdio } from '../../lib/stdio/accept-stdio.ts'
import type { StdioTransport } from '../../lib/stdio/accept-stdio.ts'
import { connectChild } from '../../lib/stdio/connect-child.ts'
import type { Callback } from '../../lib/streams/callbacks.ts'
import { shareSessions } from '../../lib/wrappers/share-sessions.ts'
import { share } from '../../lib/wrappers/share.ts'
import { misbehaving, request, response } from '../helpers.ts'
import { TextServer } from '../wrappers/text-server.ts'

interface Client {
  transport: StdioTransport
  input: PassThrough
  /** Resolves to all text that the client got. */
  output: Promise<string>
}

function client(): Client {
  const [input, output] = [new PassThrough(), new PassThrough()]
  const all = text(output)
  all.catch(() => {}) // some tests destroy the output
  return { transport: acceptStdio({ input, output }), input, output: all }
}

t.test('a client is joined to a server until both have ended', async (t) => {
  const { transport, input, output } = client()
  input.write(`${request(1, 'test/sleep', { ms: 50 })}\n`)
  input.end(`${request(2, 'test/echo', { big: 1 })}\n`)
  const server = connectChild(misbehaving('--exit-on-eof-without-answering'))
  await join(transport, server)
  t.strictSame(
    (await output)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).id)
      .sort(),
    [1, 2]
  )
  t.ok(server.closed, 'and its process has exited')
})

t.test('when either side fails, it rejects and destroys the other', async (t) => {
  const one = client()
  one.input.write(`${request(1, 'test/crash')}\n`)
  await t.rejects(join(one.transport, connectChild(misbehaving())), { code: 'ERR_SERVER_EXITED' })
  t.ok(one.transport.destroyed)

  const two = client()
  const server = new Duplex({ objectMode: true, read() {}, write() {} })
  const joined = join(two.transport, server)
  two.input.destroy(new Error('broken'))
  await t.rejects(joined, { message: 'broken' })
  t.ok(server.destroyed)
})

// A client and a port of a shared server.

/** Either side, in memory. After `stop` it takes one more frame, until `goOn` is called. */
class End extends Duplex {
  readonly taken: (Id | undefined)[] = []
  /** Resolves to the error that closed it. */
  readonly done: Promise<unknown>
  #held: Callback | undefined
  #isStopped = false

  constructor() {
    super({ objectMode: true, highWaterMark: 2 })
    this.done = once(this, 'close').then(
      () => this.errored ?? undefined,
      (error: unknown) => error
    )
  }

  stop(): void {
    this.#isStopped = true
  }

  goOn(): void {
    this.#isStopped = false
    this.#held?.()
  }

  override _read(): void {}

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    this.taken.push(frame.id)
    if (this.#isStopped) this.#held = callback
    else callback()
  }
}

function joined(): { client: End; port: End } {
  const [client, port] = [new End(), new End()]
  joinPort(client, port)
  return { client, port }
}

const turns = async (): Promise<void> => {
  for (let count = 0; count < 10; count++) await turn()
}

t.test('the frames of each side go to the other, in order', async (t) => {
  const { client, port } = joined()
  for (const id of [1, 2, 3]) {
    client.push(request(id, 'ping'))
    port.push(response(id))
  }
  await turns()
  t.strictSame(port.taken, [1, 2, 3])
  t.strictSame(client.taken, [1, 2, 3])
})

t.test('a side that has ended still gets frames until the other has ended', async (t) => {
  for (const isClientFirst of [true, false]) {
    const { client, port } = joined()
    const [first, second] = isClientFirst ? [client, port] : [port, client]
    first.push(response(1))
    first.push(null)
    await turns()
    t.ok(second.writableFinished)
    t.notOk(first.destroyed || second.destroyed)
    second.push(response(2))
    await turns()
    t.strictSame(first.taken, [2])
    second.push(null)
    t.strictSame(await Promise.all([first.done, second.done]), [undefined, undefined])
    t.strictSame([first.taken, second.taken], [[2], [1]])
  }
})

t.test('a side waits while the other does not take its frames', async (t) => {
  for (const isClientSlow of [true, false]) {
    const { client, port } = joined()
    const [slow, other] = isClientSlow ? [client, port] : [port, client]
    slow.stop()
    for (let id = 0; id < 20; id++) other.push(response(id))
    await turns()
    t.ok(other.isPaused())
    t.strictSame(slow.taken, [0])
    t.ok(slow.writableLength + other.readableLength === 20, 'no frame is lost')
    t.ok(slow.writableLength <= 2, 'nor buffered by the slow side')
    slow.push(request(1, 'ping'))
    await turns()
    t.strictSame(other.taken, [1], 'the other direction does not wait')
    slow.goOn()
    await turns()
    t.strictSame(slow.taken, [...Array(20).keys()])
  }
})

t.test('a slow client gets all frames that came before the port ended', async (t) => {
  const { client, port } = joined()
  client.stop()
  client.push(null)
  for (const id of [1, 2]) port.push(response(id))
  port.push(null)
  t.equal(await port.done, undefined)
  await turns()
  t.notOk(client.destroyed)
  client.goOn()
  t.equal(await client.done, undefined)
  t.strictSame(client.taken, [1, 2])
})

t.test('a client that fails or closes destroys the port', async (t) => {
  for (const error of [undefined, new Error('broken')]) {
    const { client, port } = joined()
    port.stop()
    for (const id of [1, 2, 3, 4]) client.push(request(id, 'ping'))
    await turns()
    client.destroy(error)
    t.equal(await port.done, undefined, 'without an error')
    t.equal(await client.done, error)
    t.equal(port.taken.length, 1)
  }
})

t.test('a port that fails or closes destroys the client, with the same error', async (t) => {
  for (const error of [undefined, new Error('broken')]) {
    const { client, port } = joined()
    client.stop()
    for (const id of [1, 2, 3, 4]) port.push(response(id))
    await turns()
    port.destroy(error)
    t.equal(await client.done, error)
    t.equal(client.taken.length, 1)
  }
})

t.test('a port that fails after its end destroys the client with the error', async (t) => {
  const { client, port } = joined()
  const error = new Error('broken')
  client.stop()
  client.push(null)
  port.push(response(1))
  port.push(null)
  port.once('end', () => port.destroy(error))
  t.equal(await client.done, error)
})

t.test('if one side has closed before they are joined, the other is destroyed', async (t) => {
  for (const isClientFirst of [true, false]) {
    const [client, port] = [new End(), new End()]
    ;(isClientFirst ? client : port).destroy()
    joinPort(client, port)
    await Promise.all([client.done, port.done])
    t.ok(client.destroyed && port.destroyed)
  }
})

t.test('a client that closes leaves no request at a shared server', async (t) => {
  const server = new TextServer()
  const shared = share(() => server)
  const leaving = new End()
  joinPort(leaving, shared.port())
  leaving.push(request('a', 'test/slow'))
  const { id } = (await server.got('test/slow')).message()
  leaving.destroy()
  const { params } = (await server.got('notifications/cancelled')).message()
  t.match(params, { requestId: id })

  const client = new End()
  joinPort(client, shared.port())
  client.push(request('a', 'ping'))
  server.say({ id: (await server.got('ping')).message().id, result: {} })
  client.push(null)
  t.equal(await client.done, undefined)
  t.strictSame(client.taken, ['a'])
  t.strictSame(leaving.taken, [])
  t.equal(server.received.filter(({ method }) => method?.endsWith('cancelled')).length, 1)
})

// The same at a real port, which passes the frames itself.

const ids = [...Array(20).keys()]

/** Joins a client to a port. The client has sent 20 requests, and takes only one message. */
async function joinSlow(): Promise<{ client: End; server: TextServer }> {
  const server = new TextServer()
  const [client, shared] = [new End(), share(() => server)]
  joinPort(client, shared.port())
  client.stop()
  for (const id of ids) client.push(request(id, 'ping'))
  await server.got('ping', ids.length)
  return { client, server }
}

t.test('a slow client gets all frames of a shared server, in order', async (t) => {
  const { client, server } = await joinSlow()
  for (const id of ids) server.say({ id: id + 1, result: {} })
  await turns()
  t.strictSame(client.taken, [0])
  t.ok(client.writableLength <= 2, 'the port has the others')
  client.goOn()
  await turns()
  t.strictSame(client.taken, ids)
  client.push(null)
  t.equal(await client.done, undefined)
})

t.test('a client that reads nothing fails at the limit of its port', async (t) => {
  const server = new TextServer()
  const shared = share(() => server, { maxQueue: 1000 })
  const [slow, other] = [new End(), new End()]
  for (const client of [slow, other]) {
    joinPort(
      client,
      shared.port(() => true)
    )
    client.push(request('a', 'ping'))
  }
  await server.got('ping', 2)
  slow.stop()
  for (const _ of ids) server.say({ method: 'notifications/x', params: { x: 'x'.repeat(100) } })
  t.match(await slow.done, { code: 'ERR_CLIENT_SLOW' })
  await turns()
  t.equal(other.taken.length, ids.length)
  t.notOk(other.destroyed)
})

t.test('a client waits while a shared server does not take its frames', async (t) => {
  const server = new End()
  const [client, shared] = [new End(), share(() => server)]
  joinPort(client, shared.port())
  client.push(request('first', 'ping'))
  await turns()
  server.stop()
  for (const id of ids) client.push(request(id, 'ping'))
  await turns()
  t.ok(client.isPaused())
  t.equal(server.taken.length, 2)
  t.ok(client.readableLength + server.writableLength >= ids.length, 'no frame is lost')
  t.ok(server.writableLength <= 2, 'nor buffered by the server')
  server.goOn()
  await turns()
  t.equal(server.taken.length, 1 + ids.length)
  client.destroy()
})

t.test('a slow client gets what came before a shared server closed', async (t) => {
  const { client, server } = await joinSlow()
  for (const id of ids.slice(0, 10)) server.say({ id: id + 1, result: {} })
  await turns()
  server.destroy()
  await turns()
  t.strictSame(client.taken, [0])
  t.notOk(client.destroyed)
  client.goOn()
  t.match(await client.done, { code: 'ERR_CLOSED' })
  t.strictSame(client.taken, ids, 'each request got its response or the error')
})

t.test('what came for a port before it met its client goes first', async (t) => {
  const server = new TextServer()
  const [client, shared] = [new End(), share(() => server)]
  await shared.ready()
  const port = shared.port(() => true)
  for (const id of ids) server.say({ method: `notifications/${id}` })
  await turns()
  joinPort(client, port)
  server.say({ method: 'notifications/last' })
  await turns()
  t.equal(client.taken.length, ids.length + 1)
})

t.test('a shared server that does not start fails the client', async (t) => {
  const client = new End()
  joinPort(client, shareSessions(() => new End().destroy()).port())
  client.push(request(1, 'initialize'))
  t.match(await client.done, { code: 'ERR_CLOSED' })
})

t.test('an exception while a port takes a frame fails only this frame', async (t) => {
  const server = new TextServer()
  const [client, shared] = [new End(), share(() => server)]
  joinPort(client, shared.port())
  const broken = request(1, 'ping')
  Object.defineProperty(broken, 'bytes', {
    get: () => {
      throw new Error('broken')
    }
  })
  client.push(broken)
  client.push(request(2, 'ping'))
  await server.got('ping')
  server.say({ id: 1, result: {} })
  await turns()
  t.strictSame(client.taken, [1, 2])
})
