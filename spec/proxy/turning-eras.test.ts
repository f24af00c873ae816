// A server that turns into one of another era, at a URL or behind a command, and one of both eras.

import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { LegacySide } from '../../lib/era/legacy-side.ts'
import { ModernTurn } from '../../lib/era/modern-turn.ts'
import { ServerEra } from '../../lib/era/server-era.ts'
import { ProxyError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Limits } from '../../lib/limits.ts'
import { errorFrame } from '../../lib/message/refusal.ts'
import type { Message } from '../../lib/protocol/json-rpc.ts'
import { connectForOne } from '../../lib/proxy/connect-for-one.ts'
import { Upstream } from '../../lib/proxy/upstream.ts'
import type { UpstreamOptions } from '../../lib/proxy/upstream.ts'
import { connectChild } from '../../lib/stdio/connect-child.ts'
import {
  KeptLog,
  initializeParams,
  notification,
  request,
  response,
  script,
  until,
  watch
} from '../helpers.ts'
import { meta } from '../modern.ts'
import { frameOf, TextServer } from '../wrappers/text-server.ts'

type Answer = (method: string, params: Record<string, unknown>) => object | undefined

const list = (name: string): object => ({ tools: [{ name, inputSchema: { type: 'object' } }] })

const isModern = (meta: unknown): boolean =>
  Object(meta)['io.modelcontextprotocol/protocolVersion'] !== undefined

/** Without a session, it refuses as the first generation of the SDK does. */
const legacy = (): Answer => {
  let isOpen = false
  return (method, { _meta }) => {
    if (method === 'initialize') {
      isOpen = true
      const serverInfo = { name: 'old', version: '1' }
      return { result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo } }
    }
    if (!isOpen) return { error: { code: -32000, message: 'Server not initialized' } }
    if (isModern(_meta)) return { error: { code: -32600, message: 'what?' } }
    return { result: list('legacy') }
  }
}

/** It refuses as the second generation of the SDK does. */
const modern =
  (): Answer =>
  (method, { _meta }) => {
    if (!isModern(_meta)) return { error: { code: -32022, message: 'unsupported' } }
    if (method === 'server/discover') {
      return { result: { supportedVersions: ['2026-07-28'], capabilities: { tools: {} } } }
    }
    return { result: { resultType: 'complete', ...list('modern') } }
  }

/** A server at a URL: its era changes while connections to it are open. */
class Origin {
  /** Makes what answers on one connection. */
  kind: () => Answer
  readonly servers: TextServer[] = []

  constructor(kind: () => Answer) {
    this.kind = kind
  }

  readonly connect = (): Duplex => {
    const server = new TextServer()
    this.servers.push(server)
    let { kind } = this
    let answer = kind()
    server.onFrame = (frame) => {
      if (kind !== this.kind) {
        kind = this.kind
        answer = kind()
      }
      const { id, method = '', params = {} } = frame.message()
      const response = id === undefined ? undefined : answer(method, params as object as never)
      if (response !== undefined) server.say({ id, ...response })
    }
    return server
  }

  /** Destroys all connections, as processes that exit. */
  async exit(): Promise<void> {
    for (const server of this.servers) {
      server.destroy(new ProxyError('ERR_SERVER_EXITED', 'the server exited'))
    }
    await sleep(10)
  }

  /** How often a method has come. */
  count(wanted: string): number {
    return this.servers
      .flatMap(({ received }) => [...received])
      .filter(({ method }) => method === wanted).length
  }
}

const toolIn = ({ result, error }: Message): unknown =>
  error ?? (result as { tools: { name: string }[] }).tools[0]?.name

type Use = () => Promise<unknown>

/** Opens a client in client mode. */
async function openOne(t: Test, origin: Origin, client: 'legacy' | 'modern'): Promise<Use> {
  const transport = connectForOne(origin.connect, { remote: true, log: new KeptLog() })
  t.teardown(() => transport.destroy())
  const { ask } = watch(transport)
  if (client === 'legacy') await ask('initialize', initializeParams)
  const params = client === 'legacy' ? {} : { _meta: meta }
  return async () => toolIn(await ask('tools/list', params))
}

function openUpstream(
  t: Test,
  connect: () => Duplex,
  options: Partial<UpstreamOptions> = {},
  chosen: Partial<Limits> = {}
): Upstream {
  const upstream = new Upstream({
    label: 'a server',
    shared: false,
    prewarm: 0,
    log: new KeptLog(),
    limits: { ...limits, ...chosen },
    connect,
    ...options
  })
  t.teardown(() => upstream.destroy())
  return upstream
}

const modernUse =
  (upstream: Upstream, principal?: string): Use =>
  async () => {
    const port = await upstream.connect('modern', principal)
    const response = await watch(port).ask('tools/list', { _meta: meta })
    port.destroy()
    return toolIn(response)
  }

/** Opens a client in server mode. */
async function openMany(upstream: Upstream, client: 'legacy' | 'modern'): Promise<Use> {
  if (client === 'modern') return modernUse(upstream)
  const { ask } = watch(upstream.connect('session'))
  await ask('initialize', initializeParams)
  return async () => toolIn(await ask('tools/list'))
}

const clients = ['legacy', 'modern'] as const
const turns = [
  { from: legacy, to: modern },
  { from: modern, to: legacy }
]

for (const { from, to } of turns) {
  for (const client of clients) {
    t.test(`a URL turns from ${from.name} to ${to.name}: a ${client} client goes on`, async (t) => {
      for (const mode of ['client mode', 'server mode']) {
        const origin = new Origin(from)
        const use =
          mode === 'client mode'
            ? await openOne(t, origin, client)
            : await openMany(openUpstream(t, origin.connect, { remote: true }), client)
        t.equal(await use(), from.name, mode)
        origin.kind = to
        t.equal(await use(), to.name, `${mode}, the first request`)
        t.equal(await use(), to.name, `${mode}, the next one`)
        origin.kind = from
        t.equal(await use(), from.name, `${mode}, back again`)
      }
    })

    t.test(
      `a command turns from ${from.name} to ${to.name}: a ${client} client goes on`,
      async (t) => {
        const origin = new Origin(from)
        const use = await openMany(openUpstream(t, origin.connect), client)
        t.equal(await use(), from.name)
        origin.kind = to
        await origin.exit()
        t.equal(await use(), to.name)
        t.equal(await use(), to.name)
      }
    )
  }

  t.test(`a legacy session that opens after a turn to ${to.name} sees nothing of it`, async (t) => {
    const origin = new Origin(from)
    const upstream = openUpstream(t, origin.connect)
    t.equal(await (await openMany(upstream, 'legacy'))(), from.name)
    origin.kind = to
    t.equal(await (await openMany(upstream, 'legacy'))(), to.name)
  })
}

t.test('an error that has another reason reaches the client, and costs one question', async (t) => {
  const origin = new Origin(modern)
  const use = await openOne(t, origin, 'modern')
  t.equal(await use(), 'modern')
  const before = origin.count('server/discover')
  const failing = (): Answer => (method, params) =>
    method === 'tools/list' ? { error: { code: -32000, message: 'no' } } : modern()(method, params)
  origin.kind = failing
  const errors = await Promise.all([use(), use(), use()])
  t.strictSame(errors, Array(3).fill({ code: -32000, message: 'no' }))
  t.equal(origin.count('server/discover'), before + 1)
  t.match(await use(), { code: -32000 })
  t.equal(origin.count('server/discover'), before + 1, 'a moment later it is not asked again')
})

t.test('errors of tools and of the connection do not lead to a question', async (t) => {
  const origin = new Origin(modern)
  const use = await openOne(t, origin, 'modern')
  await use()
  const before = origin.servers.length
  for (const code of [-32601, -32602, -32603, -32021, -1, 1000]) {
    origin.kind = () => () => ({ error: { code, message: 'no' } })
    t.match(await use(), { code })
  }
  const [server] = origin.servers as [TextServer]
  server.onFrame = ({ id }) => {
    server.push(errorFrame(id, new ProxyError('ERR_CONNECTION', 'the line is cut')))
  }
  t.match(await use(), { message: 'the line is cut' })
  t.equal(origin.servers.length, before)
})

t.test('a URL that answers no question keeps its era', async (t) => {
  const origin = new Origin(legacy)
  const log = new KeptLog()
  const transport = connectForOne(origin.connect, { remote: true, log, probeTimeout: 50 })
  t.teardown(() => transport.destroy())
  const { ask } = watch(transport)
  await ask('initialize', initializeParams)
  origin.kind = () => (method) =>
    method === 'server/discover' ? undefined : { error: { code: -32022, message: 'no' } }
  t.match(await ask('tools/list'), { error: { code: -32022 } })
  t.match(log.lines.join('\n'), /cannot find out the era/)
})

t.test('a server that alternates gets a request twice at most', async (t) => {
  const origin = new Origin(modern)
  const use = await openOne(t, origin, 'modern')
  await use()
  // Each question finds a legacy server, and each request a server that is not initialized.
  let requests = 0
  origin.kind = () => (method, params) => {
    if (method === 'tools/list') requests++
    return method === 'initialize'
      ? legacy()(method, params)
      : { error: { code: -32000, message: 'no' } }
  }
  t.match(await use(), { code: -32000 })
  t.equal(requests, 2)
})

t.test('a request that the client cancels meanwhile is not sent again', async (t) => {
  const origin = new Origin(modern)
  const transport = connectForOne(origin.connect, { remote: true })
  t.teardown(() => transport.destroy())
  const { ask, frames } = watch(transport)
  await ask('tools/list', { _meta: meta })
  origin.kind = legacy
  const cancelled = ask('tools/list', { _meta: meta })
  cancelled.catch(() => {})
  const params = { requestId: 'watched-2' }
  transport.write(notification('notifications/cancelled', params))
  t.equal(toolIn(await ask('tools/list', { _meta: meta })), 'legacy')
  t.notOk(frames.find(({ id }) => id === 'watched-2'))
})

t.test('a large request is not sent again, and the next one works', async (t) => {
  const origin = new Origin(modern)
  const transport = connectForOne(origin.connect, { remote: true })
  t.teardown(() => transport.destroy())
  const { ask } = watch(transport)
  await ask('tools/list', { _meta: meta })
  origin.kind = legacy
  const large = { _meta: meta, large: 'x'.repeat(64 * 1024) }
  t.match(await ask('tools/list', large), { error: { code: -32000 } })
  t.equal(toolIn(await ask('tools/list', { _meta: meta })), 'legacy')
})

t.test('what the user has set does not change', async (t) => {
  const origin = new Origin(modern)
  const one = connectForOne(origin.connect, { remote: true, era: 'modern' })
  t.teardown(() => one.destroy())
  const { ask } = watch(one)
  const use = modernUse(openUpstream(t, origin.connect, { remote: true, era: 'modern' }))
  t.equal(toolIn(await ask('tools/list', { _meta: meta })), 'modern')
  t.equal(await use(), 'modern')
  origin.kind = legacy
  t.match(await ask('tools/list', { _meta: meta }), { error: { code: -32000 } })
  t.match(await use(), { code: -32000 })
})

t.test('without translation the client of a server that turned gets an error', async (t) => {
  const origin = new Origin(modern)
  const off = { translate: 'off' } as const
  const use = modernUse(openUpstream(t, origin.connect, { ...off, remote: true }))
  t.equal(await use(), 'modern')
  origin.kind = legacy
  t.match(await use(), { code: -32000 }, 'the refusal of the server')
  await t.rejects(use(), { code: 'ERR_LEGACY_SERVER' })

  const command = new Origin(modern)
  const again = modernUse(openUpstream(t, command.connect, off))
  t.equal(await again(), 'modern')
  command.kind = legacy
  await command.exit()
  await t.rejects(again(), { code: 'ERR_LEGACY_SERVER' })
})

t.test('different users never share the translation of requests under way', async (t) => {
  const origin = new Origin(modern)
  const upstream = openUpstream(t, origin.connect, { remote: true })
  const use = modernUse(upstream, 'ada')
  t.equal(await use(), 'modern')
  origin.kind = legacy
  t.match(await use(), { code: -32000 })
  t.equal(await use(), 'legacy')
})

t.test('a process that turned uses the probed process for the translation', async (t) => {
  const origin = new Origin(modern)
  const use = modernUse(openUpstream(t, origin.connect))
  await use()
  origin.kind = legacy
  await origin.exit()
  const before = origin.servers.length
  t.equal(await use(), 'legacy')
  t.equal(origin.servers.length, before + 1)
})

/** The source of a legacy server that does `onProbe` when it gets `server/discover`. */
const source = (onProbe: string): string => `
  require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
    if (line.trim() === '') return
    const { id, method } = JSON.parse(line)
    if (method === 'server/discover') return ${onProbe}
    const serverInfo = { name: 'old', version: '1' }
    const session = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo }
    const result = method === 'initialize' ? session : { tools: [{ name: 'legacy' }] }
    if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, result }))
  })`

t.test('a legacy process that is silent, or exits, is found too', async (t) => {
  const limits = { connectTimeout: 2000, probeTimeout: 300 }
  for (const onProbe of ['0', 'process.exit(4)']) {
    const origin = new Origin(modern)
    let isNew = false
    const connect = (): Duplex => (isNew ? connectChild(script(source(onProbe))) : origin.connect())
    const upstream = openUpstream(t, connect, {}, limits)
    const session = await openMany(upstream, 'legacy')
    const shared = await openMany(upstream, 'modern')
    t.equal(await session(), 'modern')
    t.equal(await shared(), 'modern')
    isNew = true
    await origin.exit()
    t.equal(await shared(), 'legacy', `a modern client: ${onProbe}`)
    t.equal(await session(), 'legacy', `an open session: ${onProbe}`)
    t.equal(await (await openMany(upstream, 'legacy'))(), 'legacy', `a new session: ${onProbe}`)
  }
})

t.test('a modern server that fails once keeps its translation', async (t) => {
  const origin = new Origin(modern)
  const upstream = openUpstream(t, origin.connect)
  t.equal(await (await openMany(upstream, 'legacy'))(), 'modern')
  let failures = 1
  origin.kind = () => (method, params) =>
    failures-- > 0 ? { error: { code: -32603, message: 'busy' } } : modern()(method, params)
  t.equal(await (await openMany(upstream, 'legacy'))(), 'modern')
})

t.test('a server of both eras serves legacy clients itself, also after a modern one', async (t) => {
  const both = (): Answer => {
    const [old, young] = [legacy(), modern()]
    return (method, params) =>
      isModern(params._meta) ? young(method, params) : old(method, params)
  }
  for (const remote of [false, true]) {
    const origin = new Origin(both)
    const upstream = openUpstream(t, origin.connect, { remote })
    t.equal(await (await openMany(upstream, 'modern'))(), 'modern')
    t.equal(await (await openMany(upstream, 'legacy'))(), 'legacy')
    t.equal(await (await openMany(upstream, 'modern'))(), 'modern')
  }
})

t.test('a server that answers nothing after a translated session gives an error', async (t) => {
  const origin = new Origin(modern)
  const limits = { connectTimeout: 100, probeTimeout: 50 }
  const transport = connectForOne(origin.connect, { remote: true, ...limits })
  t.teardown(() => transport.destroy())
  const { ask } = watch(transport)
  await ask('initialize', initializeParams)
  origin.kind = () => () => undefined
  await origin.exit()
  t.match(await ask('tools/list'), { error: { code: -32000 } })
  await until(() => origin.servers.length >= 5)
  origin.kind = modern
  await until(async () => toolIn(await ask('tools/list')) === 'modern')
})

t.test('a request whose server closes during the question gets an error', async (t) => {
  const origin = new Origin(modern)
  const transport = connectForOne(origin.connect, { remote: true })
  t.teardown(() => transport.destroy())
  const { ask } = watch(transport)
  await ask('tools/list', { _meta: meta })
  const [first] = origin.servers as [TextServer]
  origin.kind = legacy
  const listed = ask('tools/list', { _meta: meta })
  await until(() => origin.servers.length === 2)
  first.destroy()
  t.match(await listed, { error: { code: -32000 } })
  t.equal(toolIn(await ask('tools/list', { _meta: meta })), 'legacy')
})

const turnOf = (origin: Origin, remote: boolean): ModernTurn =>
  new ModernTurn({
    ...limits,
    era: new ServerEra(),
    connect: origin.connect,
    remote,
    toLegacy: origin.connect,
    mayTranslate: () => true
  })

t.test('a server that modern clients share has no opening to translate', async (t) => {
  const { translator } = turnOf(new Origin(modern), false)
  const opening = { request: request(1, 'initialize'), refusal: undefined, server: undefined }
  t.equal(await translator?.translate(opening), undefined)
})

t.test('a restarted process that is modern still is used as it is', async (t) => {
  const origin = new Origin(modern)
  const { translator } = turnOf(origin, false)
  const server = origin.connect()
  t.equal(await translator?.prepare?.(server), server)
})

t.test('only a response of a legacy kind is a sign that a modern server has turned', async (t) => {
  const { translator } = turnOf(new Origin(legacy), true)
  const asked = request(1, 'tools/list', { _meta: meta })
  const server = new TextServer()
  const result = response(1, { resultType: 'complete', tools: [] })
  t.equal(translator?.hasTurned?.(asked, result, server), undefined)
  const refusal = frameOf({ id: 1, error: { code: -32600, message: 'what?' } })
  t.equal(await translator?.hasTurned?.(asked, refusal, server), true)
})

t.test(
  'only an error of a legacy kind is a sign that a translated server has turned',
  async (t) => {
    const origin = new Origin(legacy)
    const era = new ServerEra()
    era.learn('modern')
    const side = new LegacySide({
      ...limits,
      era,
      connect: origin.connect,
      remote: true,
      translate: true
    })
    const server = side.asLegacy(new TextServer())
    t.teardown(() => server.destroy())
    const asked = request(1, 'tools/list')
    t.equal(side.hasTurned(asked, response(1, { tools: [] }), server), undefined)
    const refusal = frameOf({ id: 1, error: { code: -32600, message: 'what?' } })
    t.equal(await side.hasTurned(asked, refusal, server), true)
  }
)
