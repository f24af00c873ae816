// A server that clients can ask for: which client gets which process, and how it ends.

import type { Duplex } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { limits } from '../../lib/limits.ts'
import type { Limits } from '../../lib/limits.ts'
import { silent as silentLog } from '../../lib/log.ts'
import type { Message } from '../../lib/protocol/json-rpc.ts'
import { ProxyError } from '../../lib/errors.ts'
import { Upstream } from '../../lib/proxy/upstream.ts'
import type { UpstreamOptions } from '../../lib/proxy/upstream.ts'
import { connectChild } from '../../lib/stdio/connect-child.ts'
import type { ChildOptions, ChildTransport } from '../../lib/stdio/connect-child.ts'
import { ended, fixture, misbehaving, request, script, watch } from '../helpers.ts'
import { meta } from '../modern.ts'
import { initializeParams, until } from '../wrappers/peer.ts'

const bothEras = { command: process.execPath, args: [fixture('conformance/server.js')] }
const legacyOnly = {
  command: process.execPath,
  args: [fixture('conformance/server.js'), '--era', 'legacy']
}
const modernOnly = { ...legacyOnly, args: [fixture('conformance/server.js'), '--era', 'modern'] }
/** The source of a legacy server that does `onProbe` when it gets `server/discover`. */
const legacySource = (onProbe: string): string => `
  const readline = require('readline')
  readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method } = JSON.parse(line)
    if (method === 'server/discover') return ${onProbe}
    const serverInfo = { name: 'a legacy server', version: '1' }
    const session = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo }
    const result = method === 'initialize' ? session : { tools: [] }
    if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, result }))
  })`
const silent = script(legacySource('0'))
const touchy = script(legacySource('process.exit(4)'))

interface Started {
  upstream: Upstream
  /** All processes that were started. */
  children: ChildTransport[]
}

function start(
  t: Test,
  server: ChildOptions,
  options: Partial<
    Pick<UpstreamOptions, 'shared' | 'prewarm' | 'era' | 'translate' | 'filters'>
  > = {},
  chosen: Partial<Limits> = {}
): Started {
  const children: ChildTransport[] = []
  const connect = (): Duplex => {
    const child = connectChild(server)
    children.push(child)
    return child
  }
  const upstream = new Upstream({
    label: 'a server',
    shared: false,
    prewarm: 0,
    log: silentLog,
    limits: { ...limits, ...chosen },
    connect,
    ...options
  })
  t.teardown(() => upstream.destroy())
  return { upstream, children }
}

const initialize = (server: Duplex): Promise<Message> =>
  watch(server).ask('initialize', initializeParams)

const call = request(1, 'tools/call', { name: 'x', arguments: {}, _meta: meta })

/** What a modern client gets for one request. */
async function askModern(
  upstream: Upstream,
  method: string,
  params: object = {}
): Promise<Message> {
  const port = await upstream.connect('modern')
  const answer = await watch(port).ask(method, { ...params, _meta: meta })
  port.destroy()
  return answer
}

t.test('each session has its own process', async (t) => {
  const { upstream, children } = start(t, misbehaving())
  const sessions = [upstream.connect('session'), upstream.connect('session')]
  for (const session of sessions) t.match(await initialize(session), { result: {} })
  t.equal(children.length, 2)
  const [one] = sessions as [Duplex]
  one.destroy()
  await ended(children[0]?.pid as number)
  t.notOk(children[1]?.destroyed)
})

t.test('with `shared` all sessions use one process', async (t) => {
  const { upstream, children } = start(t, misbehaving(), { shared: true })
  const clients = [1, 2, 3].map(() => watch(upstream.connect('session')))
  for (const [index, { ask }] of clients.entries()) {
    t.match(await ask('initialize', initializeParams), {
      result: { serverInfo: { name: 'misbehaving' } }
    })
    const { result } = await ask('test/state', { set: index })
    t.match(result, { state: index === 0 ? null : index - 1, pid: children[0]?.pid })
  }
  t.equal(children.length, 1)
})

t.test('clients of one request share a process, which the proxy initializes', async (t) => {
  const { upstream, children } = start(t, misbehaving())
  for (let count = 0; count < 3; count++) {
    const { ask } = watch(upstream.connect('stateless'))
    t.match(await ask('test/echo', { count }), { result: { params: { count } } })
  }
  t.equal(children.length, 1)
})

t.test('modern clients share a process', async (t) => {
  const { upstream, children } = start(t, bothEras)
  const greet = (name: string): Promise<Message> =>
    askModern(upstream, 'tools/call', { name: 'greet', arguments: { name } })
  const answers = await Promise.all(['a', 'b', 'c'].map(greet))
  t.match(
    answers,
    ['a', 'b', 'c'].map((name) => ({ result: { content: [{ text: `Hello, ${name}!` }] } }))
  )
  t.equal(children.length, 1)
  t.match(
    await initialize(upstream.connect('session')),
    { result: {} },
    'a legacy client gets its own process'
  )
  t.equal(children.length, 2)
})

t.test('a request needs no transport once nothing but a shared server answers it', async (t) => {
  const { upstream, children } = start(t, bothEras)
  const list = request(1, 'tools/list')
  const of = (kind: 'modern' | 'stateless', frame = list): boolean =>
    upstream.sharedFor(frame, kind) !== undefined
  t.notOk(of('modern'), 'no server runs')
  t.notOk(of('stateless'), 'no server runs')
  t.equal(children.length, 0)
  await askModern(upstream, 'tools/list')
  t.ok(of('modern'))
  t.notOk(of('stateless'))
  const client = watch(upstream.connect('stateless'))
  await client.ask('tools/list')
  t.ok(of('stateless'))
  for (const method of ['initialize', 'ping', 'logging/setLevel', 'resources/subscribe']) {
    t.notOk(of('stateless', request(1, method)), 'the proxy has a part in it')
  }
  t.not(upstream.sharedFor(list, 'modern'), upstream.sharedFor(list, 'stateless'))
})

t.test('a request needs a transport if the proxy filters or translates', async (t) => {
  const { upstream } = start(t, bothEras, { filters: [{ tools: { deny: ['test_*'] } }] })
  await askModern(upstream, 'tools/list')
  t.equal(upstream.sharedFor(request(1, 'tools/list'), 'modern'), undefined)
  const translated = start(t, legacyOnly).upstream
  await askModern(translated, 'tools/list')
  t.equal(translated.sharedFor(request(1, 'tools/list'), 'modern', 'a user'), undefined)
})

t.test('`paramsOf` gives the parameters that a tool mirrors in headers', async (t) => {
  const { upstream, children } = start(t, bothEras)
  t.match(await upstream.paramsOf('test_x_mcp_header', call), [
    { header: 'mcp-param-region' },
    { header: 'mcp-param-priority' },
    { header: 'mcp-param-dry-run' },
    { header: 'mcp-param-tenant', path: ['target', 'tenant'] }
  ])
  t.strictSame(upstream.paramsOf('greet', call), [], 'without a promise when they are known')
  t.equal(children.length, 1)
})

const refused = { code: 'ERR_LEGACY_SERVER' }

t.test('a hidden tool has no parameters for headers, as an unknown one', async (t) => {
  const { upstream, children } = start(t, bothEras, { filters: [{ tools: { deny: ['test_*'] } }] })
  t.strictSame(upstream.paramsOf('test_x_mcp_header', call), [])
  t.equal(children.length, 0)
})

t.test('without translation a legacy server refuses modern clients, after one probe', async (t) => {
  const { upstream, children } = start(t, misbehaving(), { translate: 'off' })
  const first = await Promise.allSettled([
    askModern(upstream, 'test/echo'),
    upstream.paramsOf('tool', call),
    askModern(upstream, 'test/echo')
  ])
  t.match(first, [{ reason: refused }, { reason: refused }, { reason: refused }])
  t.throws(() => upstream.connect('modern'), refused)
  t.throws(() => upstream.paramsOf('tool', call), refused)
  t.equal(children.length, 1)
  t.equal(upstream.state, 'configured')
  t.ok(children[0]?.closed, 'the process of the probe is gone when the client gets the refusal')
  t.match(await initialize(upstream.connect('session')), { result: {} })
})

t.test('a modern client reaches a legacy server, with the process of the probe', async (t) => {
  const { upstream, children } = start(t, legacyOnly, { prewarm: 1 })
  t.equal(children.length, 1)
  const greet = { name: 'greet', arguments: { name: 'a' } }
  t.match(await Promise.all([1, 2].map(() => askModern(upstream, 'tools/call', greet))), [
    { result: { content: [{ text: 'Hello, a!' }], resultType: 'complete' } },
    { result: { content: [{ text: 'Hello, a!' }], resultType: 'complete' } }
  ])
  t.match(await upstream.paramsOf('test_x_mcp_header', call), [
    { header: 'mcp-param-region' },
    {},
    {},
    {}
  ])
  t.equal(children.length, 2, 'the other process is the next that is prewarmed')
  t.match(await initialize(upstream.connect('session')), { result: {} })
})

t.test(
  'a server that is silent or exits counts as legacy, and its process ends first',
  async (t) => {
    for (const server of [silent, touchy]) {
      const { upstream, children } = start(t, server, {}, { probeTimeout: 300 })
      t.match(await askModern(upstream, 'tools/list'), { result: { tools: [] } })
      t.match(await askModern(upstream, 'tools/list'), { result: { tools: [] } })
      t.equal(upstream.state, 'configured')
      t.equal(children.length, 2)
      t.ok(children[0]?.closed)
    }
  }
)

t.test('a server that starts slowly is not taken for legacy', async (t) => {
  const slow = script(
    `setTimeout(() => import(${JSON.stringify(fixture('servers/modern.js'))}), 1000)`
  )
  const { upstream, children } = start(t, slow, {}, { probeTimeout: 300 })
  const modern = askModern(upstream, 'tools/call', { name: 'pid' })
  t.match(await modern, { result: { resultType: 'complete' } })
  t.equal(children.length, 1)
})

t.test('a process that never reads is an error, and says nothing about the era', async (t) => {
  const stuck = script('setInterval(() => {}, 1000)')
  const { upstream, children } = start(t, stuck, {}, { connectTimeout: 300, closeTimeout: 100 })
  for (const count of [1, 2]) {
    await t.rejects(askModern(upstream, 'x'), { code: 'ERR_TIMEOUT', message: /too long to start/ })
    t.equal(children.length, count)
  }
  t.equal(upstream.state, 'configured')
})

t.test('legacy clients reach a modern server', async (t) => {
  for (const options of [{}, { shared: true }, { era: 'modern' as const }]) {
    const { upstream, children } = start(t, modernOnly, options)
    for (const kind of ['session', 'session', 'stateless'] as const) {
      const { ask } = watch(upstream.connect(kind))
      t.match(await ask('initialize', initializeParams), {
        result: { protocolVersion: '2025-11-25', serverInfo: { name: 'conformance-fixture' } }
      })
      const greet = await ask('tools/call', { name: 'greet', arguments: { name: kind } })
      t.match(greet, { result: { content: [{ text: `Hello, ${kind}!` }] } })
      t.notOk('resultType' in (greet.result as object))
    }
    t.equal(children.length, 'shared' in options ? 1 : 3)
    t.match(await askModern(upstream, 'tools/list'), { result: { resultType: 'complete' } })
  }
})

t.test('without translation a legacy client gets the refusal of a modern server', async (t) => {
  const { upstream } = start(t, modernOnly, { translate: 'off' })
  t.match(await initialize(upstream.connect('session')), { error: { code: -32602 } })
})

t.test('a wrong era is found again', async (t) => {
  const { args } = legacyOnly
  const server = { command: process.execPath, args: [...args] }
  const { upstream, children } = start(t, server)
  t.match(await askModern(upstream, 'tools/list'), { result: {} })
  const isShared = (): boolean =>
    upstream.sharedFor(request(1, 'tools/list'), 'modern') !== undefined
  t.notOk(isShared())
  server.args[2] = 'modern'
  children[0]?.destroy(new ProxyError('ERR_SERVER_EXITED', 'replaced'))
  await until(async () => {
    isShared()
    const { result } = await askModern(upstream, 'tools/list').catch(() => ({ result: undefined }))
    return result !== undefined
  })
  server.args[2] = 'legacy'
  for (const child of children) child.destroy(new ProxyError('ERR_SERVER_EXITED', 'replaced'))
  await until(async () => {
    const { result } = await askModern(upstream, 'tools/list').catch(() => ({ result: undefined }))
    return result !== undefined
  })
  t.notOk(isShared())
})

t.test('a server that cannot start is `failed` until it starts', async (t) => {
  const flags = ['--crash-on-start', '3']
  const { args } = misbehaving(...flags)
  const server = { command: process.execPath, args }
  const { upstream, children } = start(t, server)
  for (const kind of ['session', 'stateless', 'modern'] as const) {
    upstream.state = 'configured'
    const client = watch(await upstream.connect(kind))
    t.match(await client.ask('x', { _meta: meta }), { error: { message: /exited with code 3/ } })
    if (kind !== 'modern') t.match(await client.closed, { message: /./ })
    await until(() => upstream.state === 'failed')
  }
  t.equal(children.length, 4, 'one of them for the probe')
  t.strictSame(await upstream.paramsOf('tool', call), [])
  args.splice(-flags.length)
  t.match(await initialize(upstream.connect('session')), { result: {} })
  t.equal(upstream.state, 'configured')
})

t.test('a crash fails only the requests in flight, each with an error', async (t) => {
  const { upstream, children } = start(t, misbehaving(), { shared: true })
  const clients = [1, 2, 3].map(() => watch(upstream.connect('session')))
  for (const { ask } of clients) await ask('initialize', initializeParams)
  const lost = clients.map(({ ask }) => ask('test/silence'))
  const [first] = clients as [(typeof clients)[0]]
  const crash = first.ask('test/crash', { code: 7, stderr: 'last words' })
  for (const answer of await Promise.all([...lost, crash])) {
    t.match(answer.error, { code: -32000, message: /exited with code 7.*last words/ })
  }
  for (const { ask } of clients)
    t.match(await ask('test/echo', { n: 1 }), { result: { params: { n: 1 } } })
  t.equal(children.length, 2)
})

t.test(
  'a server that crashes too often ends its sessions, and the next ones get a new server',
  async (t) => {
    const { upstream, children } = start(t, misbehaving(), { shared: true }, { restarts: 1 })
    const client = watch(upstream.connect('session'))
    const idle = watch(upstream.connect('session'))
    for (const { ask } of [client, idle]) await ask('initialize', initializeParams)
    for (let count = 0; count < 2; count++) {
      t.match(await client.ask('test/crash'), { error: { message: /exited with code 1/ } })
    }
    for (const { closed } of [client, idle]) t.match(await closed, { message: /given up/ })
    t.equal(upstream.state, 'configured', 'it did start')
    t.match(await initialize(upstream.connect('session')), { result: {} })
    t.equal(children.length, 3)
  }
)

t.test('`destroy` leaves no process, for any kind of client', async (t) => {
  const { upstream, children } = start(t, bothEras, { shared: true, prewarm: 2 })
  const own = start(t, bothEras)
  await Promise.all([
    initialize(upstream.connect('session')),
    askModern(upstream, 'server/discover'),
    watch(upstream.connect('stateless')).ask('tools/list'),
    initialize(own.upstream.connect('session'))
  ])
  upstream.connect('session') // a client that has sent nothing
  await until(() => children.length === 4 && children.every(({ pid }) => pid !== undefined))
  await Promise.all([upstream.destroy(), own.upstream.destroy()])
  for (const { pid, closed } of [...children, ...own.children]) {
    t.ok(closed)
    await ended(pid as number)
  }
  await upstream.destroy()
})
