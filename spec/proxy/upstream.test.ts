// A server that clients can ask for: who gets which process, and what becomes of it.

import type { Duplex } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { withDefaults } from '../../lib/limits.ts'
import type { LimitOptions } from '../../lib/limits.ts'
import { silent } from '../../lib/log.ts'
import type { Message } from '../../lib/protocol/json-rpc.ts'
import { Upstream } from '../../lib/proxy/upstream.ts'
import type { UpstreamOptions } from '../../lib/proxy/upstream.ts'
import { connectChild } from '../../lib/stdio/connect-child.ts'
import type { ChildOptions, ChildTransport } from '../../lib/stdio/connect-child.ts'
import { ended, fixture, rascal, script, watch } from '../helpers.ts'
import { meta } from '../modern.ts'
import { initializeParams, until } from '../wrappers/peer.ts'

const bothEras = { command: process.execPath, args: [fixture('conformance/server.js')] }
const deaf = script('process.stdin.resume()')

interface Started {
  target: Upstream
  /** All processes that were started. */
  children: ChildTransport[]
}

function start(
  t: Test,
  server: ChildOptions,
  options: Partial<Pick<UpstreamOptions, 'shared' | 'prewarm'>> = {},
  limits: LimitOptions = {}
): Started {
  const children: ChildTransport[] = []
  const connect = (): Duplex => {
    const child = connectChild(server)
    children.push(child)
    return child
  }
  const target = new Upstream({
    label: 'a server',
    shared: false,
    prewarm: 0,
    log: silent,
    limits: withDefaults(limits),
    connect,
    ...options
  })
  t.teardown(() => target.destroy())
  return { target, children }
}

const initialize = (server: Duplex): Promise<Message> =>
  watch(server).ask('initialize', initializeParams)

/** What a modern client gets for one request. */
async function askModern(target: Upstream, method: string, params: object = {}): Promise<Message> {
  const port = target.connect('modern')
  const answer = await watch(port).ask(method, { ...params, _meta: meta })
  port.destroy()
  return answer
}

t.test('each session has a process of its own', async (t) => {
  const { target, children } = start(t, rascal())
  const sessions = [target.connect('session'), target.connect('session')]
  for (const session of sessions) t.match(await initialize(session), { result: {} })
  t.equal(children.length, 2)
  const [one] = sessions as [Duplex]
  one.destroy()
  await ended(children[0]?.pid as number)
  t.notOk(children[1]?.destroyed)
})

t.test('sessions share a process where that is asked for', async (t) => {
  const { target, children } = start(t, rascal(), { shared: true })
  const clients = [1, 2, 3].map(() => watch(target.connect('session')))
  for (const [index, { ask }] of clients.entries()) {
    t.match(await ask('initialize', initializeParams), {
      result: { serverInfo: { name: 'rascal' } }
    })
    const { result } = await ask('test/state', { set: index })
    t.match(result, { state: index === 0 ? null : index - 1, pid: children[0]?.pid })
  }
  t.equal(children.length, 1)
})

t.test('clients of one request share a process, and nobody has to initialize it', async (t) => {
  const { target, children } = start(t, rascal())
  for (let count = 0; count < 3; count++) {
    const { ask } = watch(target.connect('stateless'))
    t.match(await ask('test/echo', { count }), { result: { params: { count } } })
  }
  t.equal(children.length, 1)
})

t.test('clients of the modern revision share a process', async (t) => {
  const { target, children } = start(t, bothEras)
  const greet = (name: string): Promise<Message> =>
    askModern(target, 'tools/call', { name: 'greet', arguments: { name } })
  const answers = await Promise.all(['a', 'b', 'c'].map(greet))
  t.match(
    answers,
    ['a', 'b', 'c'].map((name) => ({ result: { content: [{ text: `Hello, ${name}!` }] } }))
  )
  t.equal(children.length, 1)
  t.match(await initialize(target.connect('session')), { result: {} }, 'legacy ones have their own')
  t.equal(children.length, 2)
})

t.test('the parameters that its tools mirror can be asked for', async (t) => {
  const { target, children } = start(t, bothEras)
  t.match(await target.paramsOf('test_x_mcp_header'), [
    { header: 'mcp-param-region' },
    { header: 'mcp-param-priority' },
    { header: 'mcp-param-dry-run' },
    { header: 'mcp-param-tenant', path: ['target', 'tenant'] }
  ])
  t.strictSame(target.paramsOf('greet'), [], 'at once when they are known')
  t.equal(children.length, 1)
})

const refused = { code: 'ERR_LEGACY_SERVER' }

t.test('a legacy server refuses modern clients, and is not asked twice', async (t) => {
  const { target, children } = start(t, rascal())
  const first = await Promise.allSettled([
    askModern(target, 'test/echo'),
    target.paramsOf('tool'),
    askModern(target, 'test/echo')
  ])
  t.match(first, [
    { value: { error: { code: -32600 } } },
    { reason: refused },
    { value: { error: { code: -32600 } } }
  ])
  t.throws(() => target.connect('modern'), refused)
  t.throws(() => target.paramsOf('tool'), refused)
  t.equal(children.length, 1)
  t.equal(target.state, 'configured')
  await ended(children[0]?.pid as number)
  t.match(await initialize(target.connect('session')), { result: {} })
})

t.test('a server that says nothing to modern clients is taken for legacy', async (t) => {
  const { target, children } = start(t, deaf, {}, { connectTimeout: 300 })
  t.match(await askModern(target, 'x'), { error: { code: -32600, message: /initialize/ } })
  t.throws(() => target.connect('modern'), refused)
  t.equal(target.state, 'configured')
  t.equal(children.length, 1)
})

t.test('a server that cannot be started is failed until it can', async (t) => {
  const flags = ['--crash-on-start', '3']
  const { args } = rascal(...flags)
  const server = { command: process.execPath, args }
  const { target, children } = start(t, server)
  for (const kind of ['session', 'stateless', 'modern'] as const) {
    target.state = 'configured'
    const client = watch(target.connect(kind))
    t.match(await client.ask('x', { _meta: meta }), { error: { message: /exited with code 3/ } })
    t.match(await client.closed, { message: /./ })
    t.equal(target.state, 'failed', kind)
  }
  t.equal(children.length, 3)
  await t.rejects(async () => target.paramsOf('tool'), { code: 'ERR_SERVER_EXITED' })
  args.splice(-flags.length)
  t.match(await initialize(target.connect('session')), { result: {} })
  t.equal(target.state, 'configured')
})

t.test('a crash loses what is under way, each with an error, and nothing else', async (t) => {
  const { target, children } = start(t, rascal(), { shared: true })
  const clients = [1, 2, 3].map(() => watch(target.connect('session')))
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
  'a server that crashes too often ends its clients; the next ones have another',
  async (t) => {
    const { target, children } = start(t, rascal(), { shared: true }, { restarts: 1 })
    const client = watch(target.connect('session'))
    const idle = watch(target.connect('session'))
    for (const { ask } of [client, idle]) await ask('initialize', initializeParams)
    for (let count = 0; count < 2; count++) {
      t.match(await client.ask('test/crash'), { error: { message: /exited with code 1/ } })
    }
    for (const { closed } of [client, idle]) t.match(await closed, { message: /given up/ })
    t.equal(target.state, 'configured', 'it did start')
    t.match(await initialize(target.connect('session')), { result: {} })
    t.equal(children.length, 3)
  }
)

t.test('in the end no process is left, whatever it was for', async (t) => {
  const { target, children } = start(t, bothEras, { shared: true, prewarm: 2 })
  const own = start(t, bothEras)
  await Promise.all([
    initialize(target.connect('session')),
    askModern(target, 'server/discover'),
    watch(target.connect('stateless')).ask('tools/list'),
    initialize(own.target.connect('session'))
  ])
  target.connect('session') // which has not said anything yet
  await until(() => children.length === 4 && children.every(({ pid }) => pid !== undefined))
  await Promise.all([target.destroy(), own.target.destroy()])
  for (const { pid, closed } of [...children, ...own.children]) {
    t.ok(closed)
    await ended(pid as number)
  }
  await target.destroy()
})
