// The upstreams of a configuration.

import t from 'tap'
import type { Test } from 'tap'
import { toUrlConfig } from '../../lib/config/checks.ts'
import type { ChildConfig, ServeConfig, ServerConfig } from '../../lib/config/config.ts'
import { limits } from '../../lib/limits.ts'
import { openUpstreams } from '../../lib/proxy/upstreams.ts'
import type { Upstreams } from '../../lib/proxy/upstreams.ts'
import type { Frame } from '../../lib/message/frame.ts'
import type { Json } from '../../fixtures/clients/raw.js'
import { ended, fixture, KeptLog, misbehaving, watch } from '../helpers.ts'
import { bodyOf } from '../modern.ts'
import { initializeParams, until } from '../wrappers/peer.ts'
import { clientOn, frameOf } from '../wrappers/text-server.ts'

const good: ChildConfig = { kind: 'command', env: {}, ...misbehaving() }
const missing: ChildConfig = { kind: 'command', env: {}, command: 'nowhere', args: [] }
const remote = toUrlConfig(new URL('http://127.0.0.1:1/mcp'), [], 'auto')

async function open(
  t: Test,
  servers: Record<string, ServerConfig>,
  more: Partial<ServeConfig> = {}
): Promise<{ upstreams: Upstreams; config: ServeConfig; log: KeptLog }> {
  const log = new KeptLog()
  const config: ServeConfig = {
    mode: 'server',
    logLevel: 'INFO',
    logFormat: 'text',
    inspectMemory: 0,
    limits,
    verify: true,
    era: 'auto',
    translate: 'auto',
    warnings: [],
    named: new Map(Object.entries(servers)),
    port: 0,
    host: '127.0.0.1',
    stateless: false,
    requireAuth: false,
    trustProxy: [],
    auditRequired: false,
    shared: false,
    allowOrigins: [],
    exposeHeaders: [],
    allowHosts: [],
    basePath: '',
    prewarm: 0,
    watch: false,
    ...more
  }
  const upstreams = await openUpstreams(config, log)
  t.teardown(() => upstreams.destroy())
  return { upstreams, config, log }
}

t.test('each server has its name, and the default server comes first', async (t) => {
  const { upstreams } = await open(t, { one: good, web: remote }, { default: good })
  t.strictSame(
    upstreams.all.map(([name, { label }]) => [name, label]),
    [
      ['', 'default'],
      ['one', 'one'],
      ['web', 'web']
    ]
  )
  t.equal(upstreams.get('one').label, 'one')
  const client = watch(upstreams.get('').connect('session'))
  t.match(await client.ask('initialize', initializeParams), { result: {} })
})

t.test('no two servers have the same label', async (t) => {
  const named = { default: good, 'servers/default': good, 'servers/servers/x': good }
  const { upstreams } = await open(t, named, { default: missing })
  t.strictSame(upstreams.states, {
    default: 'failed',
    'servers/servers/default': 'configured',
    'servers/default': 'configured',
    'servers/servers/x': 'configured'
  })
  const { upstreams: others } = await open(t, { default: good })
  t.strictSame(
    others.states,
    { default: 'configured' },
    'without a default server the label is the name'
  )
})

t.test('a command that is not found fails its server, and the others work', async (t) => {
  const { upstreams, log } = await open(t, { bad: missing, one: good, web: remote })
  t.strictSame(upstreams.states, { bad: 'failed', one: 'configured', web: 'configured' })
  t.match([...log.lines], [/^warn: bad: cannot start "nowhere": not found/])
})

t.test('without a usable server it throws all failures', async (t) => {
  const worse = { ...missing, command: './nowhere' }
  await t.rejects(open(t, { bad: missing, worse }), {
    code: 'ERR_COMMAND_NOT_FOUND',
    message: /^bad: cannot start "nowhere".*; worse: cannot start "\.\/nowhere"/
  })
  await t.rejects(open(t, {}, { default: missing }), { message: /^cannot start "nowhere"/ })
})

t.test(
  'only commands that are found are prewarmed, and `destroy` ends their processes',
  async (t) => {
    const named = { bad: missing, one: good, web: remote }
    const { upstreams, log } = await open(t, named, { prewarm: 1 })
    await until(() => log.lines.some((line) => line.includes('as process')))
    await upstreams.destroy()
    const pids = log.lines.flatMap((line) => /as process (\d+)/.exec(line)?.[1] ?? [])
    t.equal(pids.length, 1)
    await ended(Number(pids[0]))
  }
)

t.test('messages of a server have its label in the log', async (t) => {
  const talkative = { ...good, ...misbehaving('--chatty-stderr', '100') }
  const { upstreams, log } = await open(t, { default: talkative }, { default: good })
  const client = watch(upstreams.get('default').connect('session'))
  await client.ask('initialize', initializeParams)
  t.ok(await log.lines.until((line) => line.startsWith('info: servers/default: chatter')))
})

t.test('a replaced server that holds a call gets the request that continues it', async (t) => {
  const asker: ChildConfig = {
    kind: 'command',
    env: {},
    era: 'legacy',
    command: process.execPath,
    args: [fixture('servers/features.js'), 'legacy', '/dev/null']
  }
  const { upstreams, config } = await open(t, { a: asker, b: asker, c: asker, kept: asker })
  const capabilities = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } }
  const params = { name: 'elicit', _meta: capabilities }
  const call = async (name: string, more?: object): Promise<Json> => {
    const text = bodyOf('1', 'tools/call', { ...params, ...more })
    const client = clientOn(await upstreams.get(name, frameOf(text)).connect('modern'))
    await client.send(text)
    const response = await client.frames.until(() => true)
    client.port.destroy()
    return response?.message().result
  }
  const replace = async (servers: Record<string, ServerConfig>): Promise<() => Promise<void>> =>
    (await upstreams.prepare({ ...config, named: new Map(Object.entries(servers)) })).apply()

  const { requestState } = await call('a')
  t.notOk(upstreams.hasHeld('a'), 'it is not replaced')
  await call('c')
  const old = upstreams.get('a')
  const end = await replace({ a: good, b: good, kept: asker })
  t.strictSame(
    ['a', 'b', 'c', 'kept'].map((name) => upstreams.hasHeld(name)),
    [true, false, true, false]
  )
  const retry = { requestState, inputResponses: { q1: { action: 'accept', content: {} } } }
  const requestOf = (method: string, more: object): Frame =>
    frameOf(bodyOf('1', method, { ...params, ...more }))
  for (const [name, request] of [
    ['a', undefined],
    ['a', requestOf('tools/call', {})],
    ['a', requestOf('tools/list', retry)],
    ['b', requestOf('tools/call', retry)]
  ] as const) {
    t.equal(upstreams.get(name, request), upstreams.get(name))
  }
  t.equal(upstreams.get('a', requestOf('tools/call', retry)), old)
  t.throws(() => upstreams.get('c'), { code: 'ERR_NOT_FOUND' })

  let hasEnded = false
  const ending = end().then(() => (hasEnded = true))
  t.match(await call('a', retry), { resultType: 'complete' })
  await until(() => !upstreams.hasHeld('a'))
  t.not(upstreams.get('a', requestOf('tools/call', retry)), old)
  t.notOk(hasEnded, 'the other one still waits')
  upstreams.drain()
  await ending
})

t.test('the settings of a server win over those of all', async (t) => {
  const { upstreams } = await open(t, {
    own: { ...good, era: 'legacy', translate: 'off' },
    common: good
  })
  t.throws(() => upstreams.get('own').connect('modern'), { code: 'ERR_LEGACY_SERVER' })
  const port = await upstreams.get('common').connect('modern')
  port.destroy()
})
