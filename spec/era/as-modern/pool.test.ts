// The connections to the legacy server that modern clients use.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Lease, Pool } from '../../../lib/era/as-modern/pool.ts'
import { ClientCapabilities } from '../../../lib/era/as-modern/questions.ts'
import { ClientRequest } from '../../../lib/era/as-modern/modern-port.ts'
import type { ModernPort } from '../../../lib/era/as-modern/modern-port.ts'
import type { Frame } from '../../../lib/message/frame.ts'
import { KeptLog } from '../../helpers.ts'
import { frameOf, TextServer } from '../../wrappers/text-server.ts'
import { asking, form, prefix, retry, setUp, turn, until } from './helpers.ts'
import type { Handler, ModernClient } from './helpers.ts'

const call = { method: 'tools/call', params: { name: 'greet' } }
const held: Handler = (frame, server) => {
  if (frame.method !== 'tools/call') return
  const asked = server.ask(`ask ${String(frame.id)}`, 'elicitation/create', form)
  void asked.then(() => server.respond(frame, {}))
}

t.test('clients share a connection if they have one name, one user, one set', async (t) => {
  const { servers, connect } = setUp(t, (frame, server) => {
    if (frame.kind === 'request') server.respond(frame, {})
  })
  const options = [
    {},
    {},
    { name: 'other' },
    { principal: 'ann' },
    { principal: 'bob' },
    { capabilities: { experimental: {} } }
  ]
  for (const option of options) await connect(option).call(call)
  t.equal(servers.length, 5)
  for (const option of options) await connect(option).call(call)
  t.equal(servers.length, 5, 'each finds its connection again')
})

t.test('a connection without questions carries many requests at once', async (t) => {
  const { servers, connect } = setUp(t, () => {})
  const clients = [1, 2, 3].map(() => connect())
  for (const client of clients) void client.start(call)
  await until(() => servers[0]?.received.length === 5)
  t.equal(servers.length, 1)
})

t.test('a connection with questions carries one request at a time', async (t) => {
  const { servers, connect } = setUp(t, (frame, server) => {
    if (frame.method === 'tools/list') server.respond(frame, {})
  })
  const client = connect({ capabilities: { roots: {} } })
  await client.call({ method: 'tools/list' })
  await client.call({ method: 'tools/list' })
  t.equal(servers.length, 1, 'one after the other')
  void client.start(call)
  await servers[0]?.got('tools/call')
  await client.call({ method: 'tools/list' })
  t.equal(servers.length, 2, 'at once')
})

t.test('a request that wants log messages has the connection for itself', async (t) => {
  const { servers, connect } = setUp(t, (frame, server) => {
    if (frame.method === 'logging/setLevel') server.respond(frame, {})
    if (frame.method !== 'tools/call') return
    server.say({ method: 'notifications/message', params: { level: 'error', data: 1 } })
  })
  const [quiet, loud] = [connect(), connect()]
  void quiet.start(call)
  await until(() => servers[0]?.received.length === 3)
  void loud.start({ ...call, meta: { [`${prefix}logLevel`]: 'error' } })
  await until(() => loud.frames.length === 1)
  t.equal(servers.length, 2)
  t.equal(quiet.frames.length, 0)
  const level = await servers[1]?.got('logging/setLevel')
  t.strictSame(level?.message().params, { level: 'error' })
  t.equal(level, servers[1]?.received.at(-2), 'the level comes before the call')
})

t.test('a server without logging gets no level', async (t) => {
  const { servers, connect } = setUp(
    t,
    (frame, server) => {
      if (frame.kind === 'request') server.respond(frame, {})
    },
    {},
    (server) => {
      server.result = { protocolVersion: '2025-11-25', capabilities: {} }
    }
  )
  await connect().call({ ...call, meta: { [`${prefix}logLevel`]: 'error' } })
  t.notOk(servers[0]?.received.some(({ method }) => method === 'logging/setLevel'))
})

/** With this time, a call is certain of 30 ms. */
const inputTimeout = 3000

t.test('at the limit of a group, the call that has waited longest ends', async (t) => {
  const { servers, connect } = setUp(t, held, { maxGroupConnections: 2, inputTimeout })
  const client = connect({ capabilities: asking })
  const first = await client.call(call)
  const second = await client.call(call)
  const third = await client.call(call)
  t.equal(servers.length, 3)
  t.equal((await client.call(retry(call, first))).error.code, -32602)
  t.equal((await client.call(retry(call, second))).result.resultType, 'complete')
  t.equal((await client.call(retry(call, third))).result.resultType, 'complete')
})

t.test('at the limit of a group, no call ends whose client answers at once', async (t) => {
  const { servers, connect } = setUp(t, held, { maxGroupConnections: 1 })
  const client = connect({ capabilities: asking })
  const first = await client.call(call)
  const waiting = client.call(call)
  await turn()
  t.equal((await client.call(retry(call, first))).result?.resultType, 'complete')
  const second = await waiting
  t.equal((await client.call(retry(call, second))).result?.resultType, 'complete')
  t.equal(servers.length, 1)
})

t.test('a request waits for the first call that may end for it', async (t) => {
  const { connect } = setUp(t, held, { maxGroupConnections: 1, inputTimeout })
  const slow = connect({ name: 'slow', capabilities: asking })
  const fast = connect({ name: 'fast', capabilities: asking })
  const response = await slow.call(call)
  await sleep(15)
  await fast.call(call)
  const ended: string[] = []
  const next = async (client: ModernClient, name: string): Promise<void> => {
    const { result } = await client.call({ ...call, id: 'next' })
    ended.push(`${name} ${result.resultType}`)
  }
  // The wait for the call of the slow client begins later, and ends earlier.
  await Promise.all([next(fast, 'fast'), next(slow, 'slow')])
  t.strictSame(ended, ['slow input_required', 'fast input_required'])
  t.equal((await slow.call(retry(call, response))).error.code, -32602)
})

t.test('at the limit of a group, a request waits for another to end', async (t) => {
  const { servers, connect } = setUp(t, () => {}, { maxGroupConnections: 1 })
  const client = connect({ capabilities: asking })
  void client.start({ id: 1, method: 'a' })
  await until(() => servers.length === 1)
  const first = await servers[0]?.got('a')
  void client.start({ id: 2, method: 'b' })
  void client.start({ id: 3, method: 'c' })
  void client.start({ id: 4, method: 'd' })
  await client.send({ method: 'notifications/cancelled', params: { requestId: 3 } })
  await turn()
  t.notOk(servers[0]?.received.some(({ method }) => method === 'b'))
  if (first !== undefined) servers[0]?.respond(first, {})
  const second = await servers[0]?.got('b')
  if (second !== undefined) servers[0]?.respond(second, {})
  await servers[0]?.got('d')
  t.notOk(
    servers[0]?.received.some(({ method }) => method === 'c'),
    'it was cancelled'
  )
  t.equal(servers.length, 1)
})

t.test('at the limit of all, an idle connection of another group ends', async (t) => {
  const { servers, connect } = setUp(
    t,
    (frame, server) => {
      if (frame.method === 'a') server.respond(frame, {})
    },
    { maxConnections: 2 }
  )
  await connect({ name: '1' }).call({ method: 'a' })
  void connect({ name: '2' }).start({ method: 'b' })
  await connect({ name: '3' }).call({ method: 'a' })
  t.equal(servers.length, 3)
  await until(() => servers[0]?.destroyed === true)
  t.notOk(servers[1]?.destroyed)
  t.notOk(servers[2]?.destroyed)
})

t.test('at the limit of all, the call of any group that has waited longest ends', async (t) => {
  const { servers, connect } = setUp(t, held, { maxConnections: 2, inputTimeout })
  const clients = ['1', '2'].map((name) => connect({ name, capabilities: asking }))
  const responses = []
  for (const client of clients) responses.push(await client.call(call))
  const all = ['3', '4'].map((name) => connect({ name, capabilities: asking }).call(call))
  for (const { result } of await Promise.all(all)) t.equal(result.resultType, 'input_required')
  t.equal(servers.length, 4)
  for (const [index, client] of clients.entries()) {
    t.equal((await client.call(retry(call, responses[index]))).error.code, -32602)
  }
})

t.test('at the limit of all, a request waits if all connections work', async (t) => {
  const { servers, connect } = setUp(t, () => {}, { maxConnections: 1 })
  void connect({ name: '1' }).start({ method: 'a' })
  await until(() => servers.length === 1)
  const first = await servers[0]?.got('a')
  void connect({ name: '2' }).start({ method: 'b' })
  await turn()
  if (first !== undefined) servers[0]?.respond(first, {})
  await until(() => servers.length === 2)
  await servers[1]?.got('b')
  t.ok(servers[0]?.destroyed)
})

t.test('requests that wait take a free connection, and that of a held call', async (t) => {
  const { servers, connect } = setUp(
    t,
    (frame, server) => {
      if (frame.method === 'tools/call') {
        server.say({ id: 'ask', method: 'elicitation/create', params: form })
      }
    },
    { maxGroupConnections: 2, inputTimeout }
  )
  const client = connect({ capabilities: asking })
  void client.start({ id: 'a', method: 'a' })
  void client.start({ id: 'b', method: 'tools/call' })
  await until(() => servers.length === 2)
  const first = await servers[0]?.got('a')
  await servers[1]?.got('tools/call')
  for (const id of ['c', 'd']) void client.start({ id, method: id })
  await until(() => client.frames.length === 1)
  if (first !== undefined) servers[0]?.respond(first, {})
  await servers[0]?.got('c')
  await until(() => servers.length === 3)
  await servers[2]?.got('d')
  t.notOk(servers[0]?.received.some(({ method }) => method === 'd'))
})

t.test('at the limit of all, subscriptions make room for requests', async (t) => {
  const { servers, connect } = setUp(
    t,
    (frame, server) => {
      if (frame.method === 'a') server.respond(frame, {})
    },
    { maxConnections: 2 }
  )
  const listeners = ['1', '2'].map((name) => connect({ name }))
  for (const client of listeners) {
    const params = { notifications: { toolsListChanged: true } }
    void client.start({ id: 'l', method: 'subscriptions/listen', params })
    await until(() => client.frames.length === 1)
  }
  t.ok((await connect({ name: '3' }).call({ method: 'a' })).result)
  t.equal(servers.length, 3)
  const [first] = listeners
  await until(() => first?.frames.length === 2)
  t.match(first?.frames[1]?.message(), { id: 'l', result: { resultType: 'complete' } })
  t.equal(listeners[1]?.frames.length, 1)
})

t.test('too many requests that wait are refused', async (t) => {
  const { servers, modern, connect } = setUp(t, () => {}, { maxGroupConnections: 1 })
  const client = connect({ capabilities: asking })
  void client.start({ id: 'first', method: 'a' })
  await until(() => servers.length === 1)
  for (let id = 1; id <= 1000; id++) void client.start({ id, method: 'b' })
  const refused = await client.call({ id: 'last', method: 'b' })
  t.match(refused.error, { code: -32000, message: /too many/ })
  t.equal(client.frames.at(-1)?.failure?.status, 503)
  await modern.destroy()
  await client.closed
  t.equal(client.frames.length, 1002, 'each has a response')
})

t.test('an idle connection ends after a time', async (t) => {
  const { servers, connect } = setUp(
    t,
    (frame, server) => {
      if (frame.kind === 'request') server.respond(frame, {})
    },
    { detachedTimeout: 40 }
  )
  const client = connect()
  await client.call(call)
  const alive = setInterval(() => {}, 1000)
  await until(() => servers[0]?.destroyed === true)
  clearInterval(alive)
  await client.call(call)
  t.equal(servers.length, 2)
})

t.test('a connection that does not end in time is destroyed', async (t) => {
  const { servers, connect } = setUp(t, held, { closeTimeout: 30 }, (server) => {
    server._final = () => {}
  })
  const client = connect({ capabilities: asking })
  void client.start({ ...call, id: 'a' })
  await until(() => servers.length === 1)
  await servers[0]?.got('tools/call')
  await client.send({ method: 'notifications/cancelled', params: { requestId: 'a' } })
  await until(() => servers[0]?.destroyed === true)
  t.pass()
})

t.test('a connection that closes is replaced', async (t) => {
  const { servers, connect } = setUp(t, (frame, server) => {
    if (frame.method === 'a') server.respond(frame, {})
  })
  const client = connect()
  const lost = client.call({ method: 'b' })
  await until(() => servers.length === 1)
  await servers[0]?.got('b')
  servers[0]?.destroy()
  t.match((await lost).error, { code: -32000 })
  t.ok((await client.call({ method: 'a' })).result)
  t.equal(servers.length, 2)
})

t.test('a request that is cancelled while its connection opens is not sent', async (t) => {
  let open: (() => void) | undefined
  const { servers, connect } = setUp(
    t,
    () => {},
    {},
    (server) => {
      const { onFrame } = server
      server.onFrame = (frame) => {
        if (frame.method === 'initialize') open = () => onFrame?.(frame)
      }
    }
  )
  const client = connect()
  void client.start({ id: 1, method: 'a' })
  void client.start({ id: 2, method: 'b' })
  await client.send({ method: 'notifications/cancelled', params: { requestId: 1 } })
  await until(() => open !== undefined)
  open?.()
  await servers[0]?.got('b')
  t.notOk(servers[0]?.received.some(({ method }) => method === 'a'))
})

t.test('a request that is cancelled while its connection fails to open stays silent', async (t) => {
  const { servers, connect } = setUp(
    t,
    () => {},
    {},
    (server) => {
      server.onFrame = undefined
    }
  )
  const client = connect()
  void client.start({ id: 1, method: 'a' })
  await client.send({ method: 'notifications/cancelled', params: { requestId: 1 } })
  await until(() => servers.length === 1)
  servers[0]?.destroy()
  await until(() => servers[0]?.closed === true)
  await turn()
  t.equal(client.frames.length, 0)
})

t.test('a call whose result nobody fetched makes room', async (t) => {
  for (const limit of [{ maxGroupConnections: 1 }, { maxConnections: 1 }]) {
    const limits = { ...limit, inputTimeout }
    const { servers, connect } = setUp(
      t,
      (frame, server) => {
        if (frame.method !== 'tools/call') return
        server.say({ id: 'ask', method: 'elicitation/create', params: form })
        setTimeout(() => server.respond(frame, {}), 40)
      },
      limits
    )
    await connect({ capabilities: asking }).call(call)
    await sleep(50)
    const name = 'maxConnections' in limits ? 'other' : 'test'
    const next = await connect({ capabilities: asking, name }).call(call)
    t.equal(next.result.resultType, 'input_required')
    t.equal(servers.length, name === 'other' ? 2 : 1)
  }
})

t.test('without limits, many calls wait for their clients', async (t) => {
  const { servers, connect } = setUp(t, held, {
    maxGroupConnections: 0,
    maxConnections: 0,
    maxQueue: 0,
    inputTimeout: 0,
    connectTimeout: 0,
    closeTimeout: 0,
    detachedTimeout: 0
  })
  const client = connect({ capabilities: asking })
  const calls = Array.from({ length: 40 }, () => client.call({ ...call, id: `${Math.random()}` }))
  const [first, ...rest] = await Promise.all(calls)
  t.equal(rest.length, 39)
  t.equal(servers.length, 40)
  t.equal((await client.call(retry(call, first))).result.resultType, 'complete')
  const filter = { resourceSubscriptions: ['a'] }
  void client.start({ method: 'subscriptions/listen', params: { notifications: filter } })
  await until(() =>
    servers.some((server) => server.received.at(-1)?.method === 'resources/subscribe')
  )
  const [second] = rest
  await client.start({ ...retry(call, second, {}), id: 'a' })
  await client.send({ method: 'notifications/cancelled', params: { requestId: 'a' } })
  await until(() => servers.some(({ destroyed }) => destroyed))
})

t.test('a client that does not read is disconnected', async (t) => {
  const { modern } = setUp(
    t,
    (frame, server) => {
      const { progressToken } = frame
      for (let progress = 0; progress < 100; progress++) {
        server.say({ method: 'notifications/progress', params: { progressToken, progress } })
      }
    },
    { maxQueue: 500 }
  )
  const port = modern.port()
  const _meta = {
    progressToken: 1,
    [`${prefix}protocolVersion`]: '2026-07-28',
    [`${prefix}clientCapabilities`]: {}
  }
  const closed = new Promise((resolve) => port.once('error', resolve))
  port.write(frameOf({ id: 1, method: 'x/y', params: { _meta } }))
  t.match(await closed, { code: 'ERR_CLIENT_SLOW' })
})

t.test('an exception in one request fails only this request', async (t) => {
  const log = new KeptLog()
  const server = new TextServer()
  const serverInfo = { name: 's', version: '1' }
  const result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo }
  server.onFrame = ({ id, method }) => {
    if (method === 'initialize') server.say({ id, result })
  }
  const pool = new Pool(() => server, { log })
  t.teardown(() => pool.destroy())
  const group = pool.group('k', () => ({
    capabilities: new ClientCapabilities('{}'),
    capabilitiesText: '{}',
    clientInfo: undefined
  }))
  const failed = new Promise((resolve) => {
    const onReady = (): void => {
      throw new Error('broken')
    }
    pool.lease(new Lease(group, 'shared', onReady, resolve))
  })
  t.match(await failed, { code: 'ERR_INTERNAL' })
  t.match(log.lines, [/a request failed: .*broken/])
  await new Promise<unknown>((resolve, reject) => {
    pool.lease(new Lease(group, 'shared', resolve, reject))
  })
})

t.test('a request gets one response', async (t) => {
  const delivered: string[] = []
  const port = {
    requests: new Map(),
    calls: new Map(),
    deliver: (frame: Frame) => delivered.push(String(frame))
  }
  const request = new ClientRequest(port as unknown as ModernPort, frameOf({ id: 1, method: 'x' }))
  request.respond(frameOf({ id: 0, result: {} }))
  request.respond(frameOf({ id: 0, result: { late: true } }))
  t.strictSame(delivered, ['{"jsonrpc":"2.0","id":1,"result":{}}'])
})
