// A server for one client, whose first request shows its era.

import type { Duplex } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { HttpStatusError, ProxyError } from '../../lib/errors.ts'
import { errorFrame } from '../../lib/message/refusal.ts'
import { connectForOne } from '../../lib/proxy/connect-for-one.ts'
import type { ConnectForOneOptions } from '../../lib/proxy/connect-for-one.ts'
import type { ReconnectTransport } from '../../lib/wrappers/reconnect.ts'
import { KeptLog, notification, request, watch } from '../helpers.ts'
import type { Watched } from '../helpers.ts'
import { meta } from '../modern.ts'
import { initializeParams, until } from '../wrappers/peer.ts'
import { TextServer } from '../wrappers/text-server.ts'

type Answer = (method: string, params: Record<string, unknown>) => object | undefined

/** Answers as a server that knows only the legacy revisions. */
const legacy: Answer = (method) => {
  if (method === 'initialize') {
    const serverInfo = { name: 'old', version: '1' }
    return { result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo } }
  }
  if (method === 'server/discover') return { error: { code: -32601, message: 'what?' } }
  return { result: { tools: [] } }
}

/** Answers as a server that knows only the modern revision. */
const modern: Answer = (method, { _meta }) => {
  if (_meta === undefined) return { error: { code: -32602, message: 'no _meta' } }
  if (method === 'server/discover') {
    return { result: { supportedVersions: ['2026-07-28'], capabilities: { tools: {} } } }
  }
  return { result: { resultType: 'complete', tools: [] } }
}

interface Opened extends Watched {
  transport: ReconnectTransport
  /** Every transport that was made. */
  servers: TextServer[]
  log: KeptLog
}

function open(t: Test, answer: Answer, options: ConnectForOneOptions = {}): Opened {
  const servers: TextServer[] = []
  const log = new KeptLog()
  const connect = (): Duplex => {
    const server = new TextServer()
    servers.push(server)
    server.onFrame = (frame) => {
      const { id, method = '', params = {} } = frame.message()
      const response = id === undefined ? undefined : answer(method, params as object as never)
      if (response !== undefined) server.say({ id, ...response })
    }
    return server
  }
  const transport = connectForOne(connect, { log, ...options })
  t.teardown(() => transport.destroy())
  return { transport, servers, log, ...watch(transport) }
}

const methodsAt = ({ received }: TextServer): unknown[] => [...received].map(({ method }) => method)

t.test('client and server of one era: the frames pass untouched', async (t) => {
  const old = open(t, legacy)
  t.match(await old.ask('initialize', initializeParams), {
    result: { serverInfo: { name: 'old' } }
  })
  t.match(await old.ask('tools/list'), { result: { tools: [] } })
  t.strictSame(old.servers.map(methodsAt), [['initialize', 'tools/list']])

  const both = open(t, modern)
  t.match(await both.ask('server/discover', { _meta: meta }), { result: {} })
  t.match(await both.ask('tools/list', { _meta: meta }), { result: { resultType: 'complete' } })
  t.strictSame(both.servers.map(methodsAt), [['server/discover', 'tools/list']])
})

t.test('a modern client of a legacy server', async (t) => {
  const ways: [first: string, options: ConnectForOneOptions][] = [
    ['server/discover', {}],
    ['tools/list', {}],
    ['tools/list', { era: 'legacy' }]
  ]
  for (const [first, options] of ways) {
    const { ask } = open(t, legacy, options)
    const [one, two] = await Promise.all([
      ask(first, { _meta: meta }),
      ask('tools/list', { _meta: meta })
    ])
    t.match(one, { result: { resultType: 'complete' } })
    t.match(two, { result: { resultType: 'complete', tools: [] } })
  }
})

t.test(
  'a modern client whose first request is another one: the server is asked first',
  async (t) => {
    const { ask, servers } = open(t, modern)
    t.match(await ask('tools/list', { _meta: meta }), { result: { tools: [] } })
    t.strictSame(servers.map(methodsAt), [['server/discover', 'tools/list']])

    const fixed = open(t, modern, { era: 'modern' })
    t.match(await fixed.ask('tools/list', { _meta: meta }), { result: { tools: [] } })
    t.strictSame(fixed.servers.map(methodsAt), [['tools/list']])
  }
)

t.test('a legacy client of a modern server never sees the refusal', async (t) => {
  for (const options of [{}, { era: 'modern' as const }]) {
    const { frames, servers, transport } = open(t, modern, options)
    transport.write(request(1, 'initialize', initializeParams))
    transport.write(notification('notifications/initialized'))
    transport.write(request(2, 'tools/list'))
    const list = await frames.until(({ id }) => id === 2)
    t.match(
      [...frames].map((frame) => frame.message()),
      [
        { id: 1, result: { protocolVersion: '2025-11-25' } },
        { id: 2, result: { tools: [] } }
      ]
    )
    t.notMatch(list?.bytes.toString(), /resultType/)
    t.equal(servers.length, 1)
  }
})

t.test('a ping before `initialize` changes nothing', async (t) => {
  const { ask } = open(t, (method, params) =>
    method === 'ping' ? { result: {} } : modern(method, params)
  )
  t.match(await ask('ping'), { result: {} })
  t.match(await ask('initialize', initializeParams), { result: { protocolVersion: '2025-11-25' } })
})

t.test(
  'a legacy client gets the refusal of a server that is legacy, or says nothing',
  async (t) => {
    const refusing: Answer = (method, params) =>
      method === 'initialize'
        ? { error: { code: -32000, message: 'not now' } }
        : legacy(method, params)
    const plain = open(t, refusing)
    t.match(await plain.ask('initialize', initializeParams), { error: { message: 'not now' } })
    t.match(await plain.ask('tools/list'), { result: { tools: [] } })

    const mute = open(t, (method) => (method === 'initialize' ? refusing(method, {}) : undefined), {
      probeTimeout: 20
    })
    t.match(await mute.ask('initialize', initializeParams), { error: { message: 'not now' } })
    t.match(mute.log.lines.join(), /cannot find out the era/)

    const fixed = open(t, modern, { era: 'legacy' })
    t.match(await fixed.ask('initialize', initializeParams), { error: { code: -32602 } })
  }
)

t.test('with `translate: off` each era has only its own', async (t) => {
  const old = open(t, modern, { translate: 'off' })
  t.match(await old.ask('initialize', initializeParams), { error: { code: -32602 } })
  const young = open(t, legacy, { translate: 'off' })
  t.match(await young.ask('server/discover', { _meta: meta }), { error: { code: -32601 } })
})

t.test('a server that restarts is translated again', async (t) => {
  const { ask, servers } = open(t, modern)
  await ask('initialize', initializeParams)
  await ask('tools/list')
  servers[0]?.destroy(new ProxyError('ERR_SERVER_EXITED', 'crashed'))
  await until(() => servers.length === 2)
  t.match(await ask('tools/list'), { result: { tools: [] } })

  const young = open(t, legacy)
  await young.ask('tools/list', { _meta: meta })
  young.servers.at(-1)?.destroy(new ProxyError('ERR_SERVER_EXITED', 'crashed'))
  t.match(await young.ask('tools/list', { _meta: meta }), { result: { tools: [] } })
})

t.test('a translated server that a slow client has lost is connected again', async (t) => {
  const { transport, servers } = open(t, legacy, { maxQueue: 1 })
  transport.pause()
  for (const id of [1, 2, 3, 4, 5, 6]) transport.write(request(id, 'tools/list', { _meta: meta }))
  await until(() => servers.length > 2)
  t.notOk(transport.destroyed)
})

t.test('a remote server that refuses by its HTTP status', async (t) => {
  // The transport closes when the server answers `initialize` with 404. The next one is modern.
  let count = 0
  const servers: TextServer[] = []
  const connect = (): Duplex => {
    const server = new TextServer()
    servers.push(server)
    server.onFrame = (frame) => {
      const { id, method = '', params = {} } = frame.message()
      if (method === 'initialize' && count++ === 0) {
        server.destroy(new HttpStatusError('refused', 404))
      } else if (id !== undefined) server.say({ id, ...modern(method, params) })
    }
    return server
  }
  const transport = connectForOne(connect, { remote: true })
  t.teardown(() => transport.destroy())
  const { ask } = watch(transport)
  t.match(await ask('initialize', initializeParams), { result: { protocolVersion: '2025-11-25' } })
  t.equal(servers.length, 2)
})

t.test('an HTTP status that says nothing about the era reaches the client', async (t) => {
  for (const status of [404, 503]) {
    const servers: TextServer[] = []
    const connect = (): Duplex => {
      const server = new TextServer()
      servers.push(server)
      server.onFrame = ({ id, method }) => {
        const failure = new HttpStatusError(`the status ${status}`, status)
        if (method === 'initialize') server.destroy(failure)
        else server.push(errorFrame(id, failure))
      }
      return server
    }
    const old = connectForOne(connect, { remote: true })
    t.match(await watch(old).ask('initialize', initializeParams), {
      error: { message: `the status ${status}` }
    })
    t.ok(servers[1]?.destroyed)
    old.destroy()
    if (status === 404) continue
    for (const method of ['server/discover', 'tools/list']) {
      const young = connectForOne(connect, { remote: true })
      t.match(await watch(young).ask(method, { _meta: meta }), {
        error: { message: `the status ${status}` }
      })
      young.destroy()
    }
  }
})

t.test('a late response to a request of the proxy does not reach the client', async (t) => {
  const opened = open(
    t,
    (method, params) => (method === 'server/discover' ? undefined : modern(method, params)),
    { connectTimeout: 40 }
  )
  const asked = opened.ask('tools/list', { _meta: meta })
  await until(() => opened.servers.length === 2)
  const [slow] = opened.servers as [TextServer]
  slow.say({ id: 0, ...modern('server/discover', { _meta: meta }) })
  t.match(await asked, { result: { resultType: 'complete' } })
  t.equal(opened.frames.length, 1)
  t.ok(slow.destroyed)
})

t.test('the client leaves while a new transport is asked for the era', async (t) => {
  const servers: TextServer[] = []
  const connect = (): Duplex => {
    const server = new TextServer()
    servers.push(server)
    server.onFrame = ({ method }) => {
      if (method === 'initialize') server.destroy(new HttpStatusError('refused', 404))
    }
    return server
  }
  const transport = connectForOne(connect, { remote: true })
  transport.write(request(1, 'initialize', initializeParams))
  await until(() => servers[1]?.received.length === 1)
  transport.destroy()
  servers[1]?.say({ id: 'mcp-proxy', ...modern('server/discover', { _meta: {} }) })
  await until(() => servers[1]?.destroyed === true)
  t.equal(servers.length, 2)
})

t.test('a server that closes while it is asked for its era', async (t) => {
  for (const isLate of [false, true]) {
    const servers: TextServer[] = []
    const connect = (): Duplex => {
      const server = new TextServer()
      servers.push(server)
      server.onFrame = ({ id, method }) => {
        if (method === 'initialize') server.say({ id, error: { code: -32000, message: 'no' } })
        else server.destroy(isLate ? undefined : new ProxyError('ERR_SERVER_EXITED', 'crashed'))
      }
      return server
    }
    const old = connectForOne(connect, { restarts: 1 })
    old.on('error', () => {})
    t.match(await watch(old).ask('initialize', initializeParams), { error: { message: 'no' } })
    old.destroy()
    const young = connectForOne(connect)
    young.on('error', () => {})
    t.match(await watch(young).ask('tools/list', { _meta: meta }), { error: { code: -32000 } })
    young.destroy()
  }
})

t.test('the client leaves, or its time is up, while the server is asked for its era', async (t) => {
  const mute: Answer = (method) =>
    method === 'initialize' ? { error: { code: -32601, message: 'no' } } : undefined
  const left = open(t, mute, { probeTimeout: 50 })
  left.transport.write(request(1, 'initialize', initializeParams))
  await until(() => left.servers[0]?.received.length === 2)
  left.transport.destroy()
  await until(() => left.servers[0]?.destroyed === true)

  const late = open(t, mute, { probeTimeout: 50 })
  const response = late.ask('initialize', initializeParams)
  await until(() => late.servers[0]?.received.length === 2)
  late.transport.expire(new ProxyError('ERR_TIMEOUT', 'too late'))
  t.match(await response, { error: { message: 'too late' } })
  await until(() => late.servers[0]?.destroyed === true)
})
