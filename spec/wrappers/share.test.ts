// One server for many clients: which client gets which message.

import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { byValue, idOf } from '../../lib/message/id.ts'
import type { Frame } from '../../lib/message/frame.ts'
import type { Broadcast } from '../../lib/wrappers/broadcast.ts'
import { share } from '../../lib/wrappers/share.ts'
import type { SharedServer, ShareOptions } from '../../lib/wrappers/share.ts'
import { KeptLog } from '../helpers.ts'
import { clientOn, frameOf, TextServer, turn } from './text-server.ts'
import type { Client } from './text-server.ts'

const subscriptionKey = 'io.modelcontextprotocol/subscriptionId'

interface Shared {
  server: TextServer
  shared: SharedServer
  connect(wants?: (broadcast: Broadcast) => boolean): Client
}

function shareOne(t: Test, options?: ShareOptions): Shared {
  const server = new TextServer()
  const shared = share(() => server, options)
  t.teardown(() => shared.destroy())
  return { server, shared, connect: (wants) => clientOn(shared.port(wants)) }
}

/** Answers requests with their own params. */
const echo = (server: TextServer) => (frame: Frame) => {
  if (frame.kind !== 'request') return
  server.say(
    `{"jsonrpc":"2.0","id":${frame.id},"result":${JSON.stringify(frame.message().params)}}`
  )
}

t.test('each client gets its own responses, though all use the same ids', async (t) => {
  const { server, connect } = shareOne(t)
  const clients = Array.from({ length: 50 }, () => connect())
  clients.forEach(({ port }, index) => {
    port.write(frameOf({ id: 1, method: 'tools/call', params: { index } }))
    port.write(frameOf({ id: 'b', method: 'tools/call', params: { index } }))
  })
  await server.got('tools/call', 100)
  const ids = server.received.map(({ id }) => id)
  t.equal(new Set(ids).size, 100, 'the server gets no id twice')
  for (const frame of server.received.toReversed()) echo(server)(frame)
  for (const [index, client] of clients.entries()) {
    t.strictSame((await client.answer(1)).result, { index })
    t.strictSame((await client.answer('b')).result, { index })
    t.equal(client.frames.length, 2)
  }
})

const ids = [
  '1',
  '-0',
  '1.0',
  '1e2',
  '-7',
  '10e-1',
  '9007199254740993',
  '123456789012345678901234567890',
  '""',
  '"a"',
  '"\\u0041"',
  '"\\"\\\\\\/"',
  '"é😀\\ud83d\\ude00 \u2028"'
]

t.test('ids and progress tokens of every form come back as the client wrote them', async (t) => {
  const { server, connect } = shareOne(t)
  const { send, frames, texts } = connect()
  for (const id of ids) {
    for (const token of ids) {
      const before = server.received.length
      await send(
        `{ "id" : ${id}, "method":"x", "params":{"n":1.0,"_meta":{"progressToken":${token} }}, "jsonrpc":"2.0"}`
      )
      const own = before + 1
      t.equal(
        String(server.received[before]),
        `{ "id" : ${own}, "method":"x", "params":{"n":1.0,"_meta":{"progressToken":${own} }}, "jsonrpc":"2.0"}`
      )
      server.say(
        `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.0,"progressToken":${own}}}`
      )
      server.say(`{"result":{"n":1.50},"jsonrpc":"2.0", "id": ${own} }`)
      const [progress, response] = [await frames.until(() => frames.length >= 2), frames[1]]
      t.strictSame(texts(), [
        `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1.0,"progressToken":${token}}}`,
        `{"result":{"n":1.50},"jsonrpc":"2.0", "id": ${id} }`
      ])
      t.equal(progress?.progressToken, byValue(idOf(token)), 'and so is the token in the envelope')
      t.equal(response?.id, idOf(id))
      frames.length = 0
    }
  }
})

t.test('a request without a progress token gets no progress', async (t) => {
  const { server, connect } = shareOne(t)
  const client = connect(() => true)
  await client.send(
    '{"jsonrpc":"2.0","id":7,"method":"x","params":{"_meta":{"progressToken":null}}}'
  )
  t.equal(
    String(await server.got('x')),
    '{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"progressToken":null}}}'
  )
  server.say({ method: 'notifications/progress', params: { progressToken: 1, progress: 1 } })
  server.say({ id: 1, result: {} })
  await client.answer(7)
  t.equal(client.frames.length, 1)
})

t.test('a message for a request that is not in flight is dropped', async (t) => {
  const { server, connect } = shareOne(t)
  const client = connect(() => true)
  const progressToken = 'p'
  await client.send({ id: 7, method: 'x', params: { _meta: { progressToken } } })
  await server.got('x')
  server.say({ id: 1, result: 'the first answer' })
  server.say({ id: 1, result: 'another' })
  server.say({ id: '1', result: {} })
  server.say({ id: 99, result: {} })
  server.say({ id: null, error: { code: -32700, message: 'what?' } })
  server.say({ method: 'notifications/progress', params: { progressToken: 1, progress: 1 } })
  server.say({ method: 'notifications/progress' })
  server.say({ method: 'notifications/x', params: { _meta: { [subscriptionKey]: 1 } } })
  server.say({ method: 'notifications/last' })
  await client.frames.until(({ method }) => method === 'notifications/last')
  t.strictSame(
    client.frames.map((frame) => frame.method ?? frame.message().result),
    ['the first answer', 'notifications/last']
  )
})

t.test('a server may send ids and progress tokens back as strings', async (t) => {
  const { server, connect } = shareOne(t)
  const client = connect()
  await client.send({ id: 7, method: 'x', params: { _meta: { progressToken: 8 } } })
  server.say({ method: 'notifications/progress', params: { progressToken: '1', progress: 1 } })
  server.say({ id: '1', result: {} })
  t.strictSame(await client.answer(7), { jsonrpc: '2.0', id: 7, result: {} })
  t.equal(client.frames[0]?.progressToken, 8)
})

t.test('a server may send ids back with another text of the number', async (t) => {
  const { server, connect } = shareOne(t)
  const client = connect()
  await client.send({ id: 7, method: 'x' })
  server.say('{"jsonrpc":"2.0","id":1.0,"result":{}}')
  t.strictSame(await client.answer(7), { jsonrpc: '2.0', id: 7, result: {} })
})

t.test('two requests of one client with the same id both get a response', async (t) => {
  const { server, connect } = shareOne(t)
  const client = connect()
  await client.send({ id: 7, method: 'x', params: { n: 1 } })
  await client.send({ id: 7, method: 'x', params: { n: 2 } })
  for (const frame of server.received) echo(server)(frame)
  client.port.end()
  await client.closed
  t.strictSame(
    client.frames.map((frame) => frame.message()),
    [
      { jsonrpc: '2.0', id: 7, result: { n: 1 } },
      { jsonrpc: '2.0', id: 7, result: { n: 2 } }
    ]
  )
})

t.test('a client can cancel its own requests, and no others', async (t) => {
  const { server, connect } = shareOne(t)
  const [one, other] = [connect(), connect()]
  await one.send({ id: 'a', method: 'x' })
  await other.send({ id: 'a', method: 'x' })
  await other.send(
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"z":1.0,"requestId":"a"}}'
  )
  t.equal(
    String(await server.got('notifications/cancelled')),
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"z":1.0,"requestId":2}}'
  )
  const wrong = [{ requestId: 'a' }, { requestId: 'b' }, { requestId: 2 }, {}]
  for (const params of wrong) await other.send({ method: 'notifications/cancelled', params })
  server.say({ id: 2, result: 'too late' })
  server.say({ id: 1, result: 'mine' })
  t.equal((await one.answer('a')).result, 'mine')
  t.equal(server.received.length, 3, 'a request that is not in flight cannot be cancelled')
  t.equal(other.frames.length, 0)
})

t.test('a cancelled id may be written in another way, if it is the same text', async (t) => {
  const { server, connect } = shareOne(t)
  const client = connect()
  const ids = ['"a\\u0062"', '7', '1.0', '-1', '90071992547409100']
  for (const id of ids) await client.send(`{"jsonrpc":"2.0","id":${id},"method":"x"}`)
  const cancelled = ['"ab"', '7', '1.0', '-1', '90071992547409100']
  for (const id of ['"7"', '1', '-1.0', ...cancelled]) {
    const params = `{"requestId":${id}}`
    await client.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":${params}}`)
  }
  await server.got('notifications/cancelled', ids.length)
  const all = server.received.filter(({ kind }) => kind === 'notification')
  t.strictSame(
    all.map((frame) => frame.message().params?.requestId),
    [1, 2, 3, 4, 5]
  )
})

t.test('the requests in flight of a client that disconnects are cancelled', async (t) => {
  const { server, connect } = shareOne(t)
  const [gone, stays] = [connect(() => true), connect()]
  for (const id of [1, 2, 3]) await gone.send({ id, method: 'x' })
  await stays.send({ id: 1, method: 'x' })
  server.say({ id: 2, result: {} })
  await gone.answer(2)
  gone.port.destroy()
  await server.got('notifications/cancelled', 2)
  const cancelled = server.received.filter(({ kind }) => kind === 'notification')
  t.strictSame(
    cancelled.map((frame) => frame.message().params?.requestId),
    [1, 3]
  )
  server.say({ id: 1, result: 'to nobody' })
  server.say({ method: 'notifications/tools/list_changed' })
  server.say({ id: 4, result: 'to the other' })
  t.equal((await stays.answer(1)).result, 'to the other')
})

t.test('a client that ends still gets the responses to its requests', async (t) => {
  const { server, connect } = shareOne(t)
  const client = connect()
  client.port.write(frameOf({ id: 1, method: 'x' }))
  client.port.end(frameOf({ id: 2, method: 'x' }))
  const idle = connect()
  idle.port.end()
  t.equal(await idle.closed, undefined)
  await server.got('x', 2)
  server.say({ id: 2, result: {} })
  await client.answer(2)
  t.notOk(client.port.readableEnded)
  server.say({ id: 1, result: {} })
  t.equal(await client.closed, undefined)
  t.strictSame(
    client.frames.map(({ id }) => id),
    [2, 1]
  )
  t.notOk(server.destroyed, 'the server stays for other clients')
})

t.test(
  'a notification of a client passes unchanged, and a response of a client is dropped',
  async (t) => {
    const { server, connect } = shareOne(t)
    const client = connect()
    const text = '{"method":"notifications/x","params":{"n":1.0},"jsonrpc":"2.0"}'
    await client.send({ id: 5, result: {} })
    await client.send(text)
    t.strictSame(server.received.map(String), [text])
  }
)

t.test('a notification that belongs to no request goes to the clients that want it', async (t) => {
  const { server, connect } = shareOne(t)
  const all = connect(() => true)
  const some = connect(({ method }) => method === 'notifications/b')
  const none = connect()
  for (const { send } of [all, some, none]) await send({ method: 'notifications/hello' })
  server.say('{"jsonrpc":"2.0","method":"notifications/a","params":{"n":1.0}}')
  server.say({ method: 'notifications/b' })
  await all.frames.until(({ method }) => method === 'notifications/b')
  t.equal(all.texts()[0], '{"jsonrpc":"2.0","method":"notifications/a","params":{"n":1.0}}')
  t.strictSame(
    some.frames.map(({ method }) => method),
    ['notifications/b']
  )
  t.equal(none.frames.length, 0)
})

const modern = (more: object = {}): object => ({
  _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', ...more }
})
const logging = modern({ 'io.modelcontextprotocol/logLevel': 'info' })

t.test('a log message goes to the only request that asks for log messages', async (t) => {
  const log = new KeptLog()
  const { server, connect } = shareOne(t, { log })
  const [asks, asksToo, asksNot] = [connect(() => true), connect(), connect()]
  await asks.send({ id: 1, method: 'x', params: logging })
  await asksNot.send({ id: 1, method: 'x', params: modern() })
  await asksNot.send({ id: 2, method: 'x' })
  server.say({ method: 'notifications/message', params: { data: 'to one' } })
  await asks.frames.until(() => true)
  t.equal(asks.frames.length, 1, 'once, even if the client wants all')

  await asksToo.send({ id: 1, method: 'x', params: logging })
  server.say({ method: 'notifications/message', params: { data: 'to whom?' } })
  await log.lines.until((line) => line.includes('dropped'))
  server.say({ id: 1, result: {} })
  await asks.answer(1)
  server.say({ method: 'notifications/message', params: { data: 'to the other' } })
  await asksToo.frames.until(() => true)
  t.equal(asksToo.frames[0]?.message().params?.data, 'to the other')
  t.equal(asksNot.frames.length, 0)
})

t.test(
  'the messages of a subscription go to its client, with the id that the client gave',
  async (t) => {
    const { server, connect } = shareOne(t)
    const clients = ['7', '"s"', '7.0'].map((id) => ({ id, ...connect() }))
    for (const { id, send } of clients) {
      await send(`{"jsonrpc":"2.0","id":${id},"method":"subscriptions/listen","params":{}}`)
    }
    for (const id of [1, 2, 3]) {
      const _meta = { [subscriptionKey]: id }
      server.say({ method: 'notifications/subscriptions/acknowledged', params: { _meta } })
      // Some serializers escape a slash.
      const key = subscriptionKey.replace('/', '\\/')
      server.say(
        `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"${key}":${id}}}}`
      )
      server.say({ id, result: { resultType: 'complete', _meta } })
    }
    for (const { id, frames, texts } of clients) {
      await frames.until(() => frames.length === 3)
      t.equal(
        texts()[1],
        `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol\\/subscriptionId":${id}}}}`
      )
      t.equal(
        texts()[2],
        `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","_meta":{"${subscriptionKey}":${id}}}}`
      )
    }
  }
)

t.test('the server can cancel a subscription, and no other request', async (t) => {
  const { server, connect } = shareOne(t)
  const client = connect(() => true)
  await client.send({ id: 'c', method: 'tools/call' })
  await client.send({ id: 's', method: 'subscriptions/listen' })
  for (const requestId of [1, 2, 2, 3]) {
    server.say({ method: 'notifications/cancelled', params: { requestId } })
  }
  server.say({ id: 2, result: {} })
  server.say({ id: 1, result: {} })
  client.port.end()
  await client.closed
  t.strictSame(
    client.frames.map((frame) => frame.id ?? frame.message().params),
    [{ requestId: 's' }, 'c']
  )
})

t.test('a server that sends requests and does not read has to wait', async (t) => {
  const { server, connect } = shareOne(t)
  await connect(() => true).send({ method: 'notifications/hello' })
  server.stop()
  let isFull = false
  for (let id = 0; id < 10_000 && !isFull; id++) {
    server.say({ id, method: 'ping' })
    isFull = server.readableLength > 20
    await turn()
  }
  t.ok(isFull, 'the proxy stops to read')
  server.goOn()
  while (server.readableLength > 0) await turn()
})

t.test('the server gets a response to `ping`, and an error for its other requests', async (t) => {
  const { server, connect } = shareOne(t)
  await connect(() => true).send({ method: 'notifications/hello' })
  server.say('{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}')
  server.say('{"jsonrpc":"2.0","id":1.0,"method":"roots/list"}')
  await server.received.until(() => server.received.length === 3)
  const [, pong, refusal] = server.received.map(String)
  t.equal(pong, '{"jsonrpc":"2.0","id":9007199254740993,"result":{}}')
  t.match(refusal, /"id":1\.0,"error":\{"code":-32601,/)
})

t.test('a request of the proxy gets a response that no client gets', async (t) => {
  const { server, shared, connect } = shareOne(t)
  shared.sendRequest('resources/unsubscribe', { uri: 'before there is a server' })
  const client = connect(() => true)
  await client.send({ method: 'notifications/hello' })
  shared.sendRequest('resources/unsubscribe', { uri: 'x:y' })
  const { id } = await server.got('resources/unsubscribe')
  t.equal(server.received.length, 2)
  server.say({ id, result: {} })
  server.say({ method: 'notifications/last' })
  await client.frames.until(() => true)
  t.equal(client.frames[0]?.method, 'notifications/last')
})

t.test('a client waits while the server is slow', async (t) => {
  const { server, connect } = shareOne(t)
  const client = connect()
  await client.send({ id: 1, method: 'x' })
  server.stop()
  const taken = client.send({ id: 2, method: 'x' }).then(() => 'taken')
  await server.got('x', 2)
  t.equal(await Promise.race([taken, turn().then(() => 'waiting')]), 'waiting')
  server.goOn()
  t.equal(await taken, 'taken')
})

t.test('a client that does not read is disconnected, and the others go on', async (t) => {
  const { server, shared, connect } = shareOne(t, { maxQueue: 1000 })
  const slow = shared.port(() => true)
  const fast = connect(() => true)
  await new Promise((resolve) => slow.write(frameOf({ id: 1, method: 'x' }), resolve))
  await fast.send({ id: 1, method: 'x' })
  slow.read(0) // asks for a frame, and does not take it
  const failed = once(slow, 'error')
  const note = { method: 'notifications/n', params: { text: 'x'.repeat(300) } }
  for (let count = 0; count < 10; count++) server.say(note)
  const [error] = (await failed) as [NodeJS.ErrnoException]
  t.equal(error.code, 'ERR_CLIENT_SLOW')
  t.match(error.message, /--max-queue/)
  await server.got('notifications/cancelled')
  await fast.frames.until(() => fast.frames.length === 10)
  server.say({ id: 2, result: {} })
  await fast.answer(1)
})

t.test('a client that reads late gets all frames in order', async (t) => {
  const { server, shared } = shareOne(t, { maxQueue: 0 })
  const port = shared.port(() => true)
  await new Promise((resolve) => port.write(frameOf({ id: 1, method: 'x' }), resolve))
  port.read(0)
  for (let n = 0; n < 1000; n++) {
    server.say({ method: 'notifications/n', params: { n, text: 'x'.repeat(1000) } })
  }
  server.say({ id: 1, result: {} })
  port.end()
  await turn()
  const frames = (await port.toArray()) as Frame[]
  t.strictSame(
    frames.map((frame) => frame.id ?? frame.message().params?.n),
    [...Array(1000).keys(), 1]
  )
})

t.test('a single message over the limit does not disconnect the client', async (t) => {
  const { server, shared } = shareOne(t, { maxQueue: 1000 })
  const port = shared.port(() => true)
  await new Promise((resolve) => port.write(frameOf({ id: 1, method: 'x' }), resolve))
  server.say({ id: 1, result: 'x'.repeat(5000) })
  await turn()
  const [frame] = (await once(port, 'data')) as [Frame]
  t.equal(frame.id, 1)
  port.destroy()
})

t.test('a server may send subscription ids back as strings', async (t) => {
  const { server, connect } = shareOne(t)
  const client = connect()
  await client.send('{"jsonrpc":"2.0","id":77,"method":"subscriptions/listen","params":{}}')
  await server.got('subscriptions/listen')
  const _meta = { [subscriptionKey]: '1' }
  server.say({ method: 'notifications/subscriptions/acknowledged', params: { _meta } })
  server.say('{"jsonrpc":"2.0","id":"1","result":{}}')
  await client.frames.until(() => client.frames.length >= 2)
  t.strictSame(client.texts(), [
    `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"${subscriptionKey}":77}}}`,
    '{"jsonrpc":"2.0","id":77,"result":{}}'
  ])
})

t.test('after `drain` the server closes with its last client', async (t) => {
  const { server, shared, connect } = shareOne(t)
  const clients = [connect(), connect()]
  for (const { port } of clients) port.write(frameOf({ id: 1, method: 'tools/list' }))
  await server.got('tools/list', 2)
  shared.drain()
  clients[0]?.port.destroy()
  await turn()
  t.notOk(server.destroyed)
  clients[1]?.port.destroy()
  await turn()
  t.ok(server.destroyed)
})

t.test('cancelling unknown ids takes no longer when many calls hang', async (t) => {
  const server = new TextServer()
  const shared = share(() => server)
  t.teardown(() => shared.destroy())
  const { port } = clientOn(shared.port())
  const count = 20_000
  for (let id = 0; id < count; id++) port.write(frameOf({ id, method: 'hang' }))
  await server.got('hang', count)
  const before = process.cpuUsage()
  for (let id = 0; id < count; id++) {
    port.write(frameOf({ method: 'notifications/cancelled', params: { requestId: `x${id}` } }))
  }
  port.write(frameOf({ method: 'notifications/cancelled', params: { requestId: 7 } }))
  const { bytes } = await server.got('notifications/cancelled')
  t.match(JSON.parse(String(bytes)), { params: { requestId: 8 } }, 'only the known id is cancelled')
  const { user, system } = process.cpuUsage(before)
  t.ok(user + system < 2_000_000, `${user + system} µs`)
})

t.test('two requests with the same id get a response each', async (t) => {
  const server = new TextServer()
  const shared = share(() => server)
  t.teardown(() => shared.destroy())
  const { send, frames } = clientOn(shared.port())
  await send({ id: 'a', method: 'one' })
  await send({ id: 'a', method: 'two' })
  for (const { id } of server.received) server.say({ id, result: { id } })
  await frames.until(({ kind }) => kind === 'response')
  await turn()
  t.strictSame(
    frames.map((frame) => frame.message()),
    [
      { jsonrpc: '2.0', id: 'a', result: { id: 1 } },
      { jsonrpc: '2.0', id: 'a', result: { id: 2 } }
    ]
  )
})
