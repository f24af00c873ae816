// The metrics: their names and labels, and that nobody can make them grow.

import { channel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { errorFrame } from '../../lib/message/refusal.ts'
import type { Message } from '../../lib/protocol/json-rpc.ts'
import type { FactClient } from '../../lib/streams/facts.ts'
import { metrics } from '../../lib/watchers/metrics.ts'
import type { Metrics, MetricsOptions } from '../../lib/watchers/metrics.ts'
import { fixture, KeptLog, notification, request, response } from '../helpers.ts'
import { farEnds, rawConnection, sendRequest, serve } from '../http-server/helpers.ts'
import { samplesIn, typesIn } from './prometheus.ts'
import type { Sample } from './prometheus.ts'

/**
 * The metrics of OpenTelemetry's conventions for MCP (semantic-conventions-genai, docs/gen-ai/mcp.md) and
 * their attributes. All metrics are histograms in seconds with the same buckets.
 */
const conventions = {
  'mcp.server.operation.duration': [
    'mcp.method.name',
    'error.type',
    'gen_ai.prompt.name',
    'gen_ai.tool.name',
    'rpc.response.status_code',
    'gen_ai.operation.name',
    'mcp.protocol.version',
    'network.protocol.name',
    'network.protocol.version',
    'network.transport'
  ],
  'mcp.client.operation.duration': [
    'mcp.method.name',
    'error.type',
    'gen_ai.prompt.name',
    'gen_ai.tool.name',
    'rpc.response.status_code',
    'gen_ai.operation.name',
    'mcp.protocol.version',
    'network.protocol.name',
    'network.protocol.version',
    'network.transport',
    'server.address',
    'server.port'
  ],
  'mcp.server.session.duration': [
    'error.type',
    'mcp.protocol.version',
    'network.protocol.name',
    'network.protocol.version',
    'network.transport'
  ],
  'mcp.client.session.duration': [
    'error.type',
    'mcp.protocol.version',
    'network.protocol.name',
    'network.protocol.version',
    'network.transport',
    'server.address',
    'server.port'
  ]
}
const boundaries = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]

/** A name of the conventions in Prometheus' spelling. */
const spelled = (name: string): string => name.replaceAll('.', '_')

interface Open {
  metrics: Metrics
  read(): Promise<Sample[]>
  /** The value of the only sample with this name and these labels. */
  value(name: string, labels?: Record<string, string>): Promise<number | undefined>
}

async function open(t: Test, options: MetricsOptions = {}): Promise<Open> {
  const made = await metrics(options)
  t.teardown(() => made.close())
  const read = async (): Promise<Sample[]> => samplesIn(await made.text())
  return {
    metrics: made,
    read,
    async value(name, labels = {}) {
      const found = (await read()).filter(
        (sample) =>
          sample.name === name &&
          Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
      )
      t.ok(found.length <= 1, `${name} is unambiguous`)
      return found[0]?.value
    }
  }
}

const publish = (name: string, fact: object): void => channel(`mcp-duplex:${name}`).publish(fact)

/** Facts about a client, as its transport publishes them. */
class Client {
  readonly client: FactClient
  #lastId = 0

  constructor(more: Partial<FactClient> = {}) {
    this.client = { server: '', session: 'secret', kind: 'session', ...more }
  }

  open(): this {
    publish('session', { type: 'open', client: this.client })
    return this
  }

  end(error?: Error): void {
    publish('session', { type: 'end', client: this.client, error })
  }

  say(from: 'client' | 'server', frame: Frame, delivered = true): void {
    publish('message', { client: this.client, from, frame, delivered })
  }

  /** A request and its response. */
  call(method: string, params?: object, answer: ProxyError | Record<string, unknown> = {}): void {
    const id = ++this.#lastId
    this.say('client', request(id, method, params as Record<string, unknown>))
    if (answer instanceof ProxyError) return this.say('server', errorFrame(id, answer))
    if (!('error' in answer)) return this.say('server', response(id, answer))
    const message = { jsonrpc: '2.0', id, ...answer } as unknown as Message
    this.say('server', makeFrame(message))
  }

  initialize(protocolVersion = '2025-11-25'): this {
    this.call('initialize', {}, { protocolVersion })
    return this
  }

  list(...names: unknown[]): this {
    this.call('tools/list', {}, { tools: names.map((name) => ({ name })) })
    return this
  }
}

const duration = 'mcp_server_operation_duration_seconds'

for (const side of ['server', 'client'] as const) {
  t.test(`the names and labels are those of the conventions for a ${side}`, async (t) => {
    const url = side === 'client' ? new URL('https://example.com/mcp') : undefined
    const { metrics, read } = await open(t, { side, url })
    const client = new Client().open().initialize().list('read')
    client.call('tools/call', { name: 'read' }, { isError: true })
    client.call('prompts/list', {}, { prompts: [{ name: 'p' }] })
    client.call('prompts/get', { name: 'p' }, { error: { code: -32602, message: '' } })
    client.end(new ProxyError('ERR_SERVER_EXITED', ''))
    const types = typesIn(await metrics.text())
    const samples = await read()
    for (const [name, attributes] of Object.entries(conventions)) {
      if (!name.startsWith(`mcp.${side}.`)) continue
      const ours = `${spelled(name)}_seconds`
      t.equal(types[ours], 'histogram', ours)
      const own = samples.filter((sample) => sample.name.startsWith(`${ours}_`))
      const labels = new Set(own.flatMap(({ labels }) => Object.keys(labels)))
      t.strictSame(
        [...labels].filter((label) => label !== 'le' && label !== 'server').sort(),
        attributes.map(spelled).sort(),
        `${name}: the attributes, besides the name of the server`
      )
      const bounds = new Set(own.flatMap(({ labels: { le } }) => le ?? []))
      t.strictSame([...bounds], [...boundaries.map(String), '+Inf'])
    }
    const others = Object.keys(types).filter((name) => /^mcp_(?!duplex_)/.test(name))
    t.equal(others.length, 2, 'all other names are ours, or those of the process')
    if (side === 'client') {
      t.match(samples[0]?.labels, { server_address: 'example.com', server_port: '443' })
    }
  })
}

t.test('an address has the port of its URL', async (t) => {
  for (const [url, server_port] of [
    ['http://a/', '80'],
    ['http://a:8080/', '8080']
  ]) {
    const { metrics, read } = await open(t, { side: 'client', url: new URL(url as string) })
    new Client().call('ping')
    t.match((await read())[0]?.labels, { server_port })
    metrics.close()
  }
})

t.test('a call counts with what it called, and how it ended', async (t) => {
  const { value } = await open(t)
  const client = new Client().open().initialize().list('read')
  const count = (labels: Record<string, string>): Promise<number | undefined> =>
    value(`${duration}_count`, labels)
  client.call('tools/call', { name: 'read' })
  client.call('tools/call', { name: 'read' })
  const tool = { mcp_method_name: 'tools/call', gen_ai_tool_name: 'read' }
  t.equal(await count({ ...tool, gen_ai_operation_name: 'execute_tool' }), 2)
  t.equal(await count({ mcp_method_name: 'initialize', mcp_protocol_version: '2025-11-25' }), 1)
  const failed = { mcp_method_name: 'resources/read' }
  client.call('resources/read', {}, { error: { code: -32002, message: '' } })
  t.equal(await count({ ...failed, error_type: '-32002', rpc_response_status_code: '-32002' }), 1)
  client.call('resources/read', {}, new ProxyError('ERR_SERVER_EXITED', ''))
  t.equal(await count({ ...failed, error_type: '-32000' }), 1)
  t.equal(await value('mcp_duplex_errors_total', { code: 'ERR_SERVER_EXITED' }), 1)
  client.say('client', request('x', 'resources/list'))
  t.equal(await value('mcp_duplex_calls_in_flight'), 1)
  client.say('client', request('x', 'resources/list'))
  t.equal(await value('mcp_duplex_calls_in_flight'), 1)
  client.say('client', notification('notifications/cancelled', { requestId: 'x' }))
  t.equal(await count({ mcp_method_name: 'resources/list', error_type: 'cancelled' }), 1)
  t.equal(await value('mcp_duplex_calls_in_flight'), 0)
  client.say('client', request('y', 'ping'))
  client.end()
  t.equal(await count({ mcp_method_name: 'ping', error_type: 'closed' }), 1)
  t.equal(await value('mcp_duplex_calls_in_flight'), 0)
  const session = { server: 'default', mcp_protocol_version: '2025-11-25' }
  t.equal(await value('mcp_server_session_duration_seconds_count', session), 1)
})

t.test('a client without a session has the revision of its request', async (t) => {
  const { read, value } = await open(t)
  const client = new Client({ kind: 'modern', server: 'files' }).open()
  const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' }
  client.call('tools/list', { _meta }, { tools: [] })
  client.end()
  const labels = { server: 'files', mcp_protocol_version: '2026-07-28' }
  t.equal(await value(`${duration}_count`, labels), 1)
  t.notOk((await read()).some(({ name }) => name.startsWith('mcp_server_session_')))
  t.equal(await value('mcp_duplex_sessions'), 0)
})

t.test('a session that opened before the metrics is not counted', async (t) => {
  const client = new Client()
  const { value } = await open(t)
  client.call('ping')
  client.end(new ProxyError('ERR_CLIENT_SLOW', ''))
  t.equal(await value('mcp_duplex_sessions'), 0)
  t.equal(await value('mcp_server_session_duration_seconds_count'), undefined)
  const other = new Client().open()
  t.equal(await value('mcp_duplex_sessions'), 1)
  other.end(new ProxyError('ERR_CLIENT_SLOW', ''))
  const error = { error_type: 'ERR_CLIENT_SLOW' }
  t.equal(await value('mcp_server_session_duration_seconds_count', error), 1)
})

t.test('messages, processes, restarts and refusals are counted', async (t) => {
  const { value } = await open(t, {
    serverStates: () => ({ default: 'configured', files: 'failed' }),
    queues: () => ({ audit: 7 })
  })
  const client = new Client({ server: 'files' }).open()
  const sent = request(1, 'ping')
  client.say('client', sent)
  client.say('server', response(1))
  client.say('server', response(2), false)
  const files = (direction: string): Record<string, string> => ({ server: 'files', direction })
  t.equal(await value('mcp_duplex_messages_total', files('in')), 1)
  t.equal(await value('mcp_duplex_messages_total', files('out')), 1)
  t.equal(await value('mcp_duplex_message_bytes_total', files('in')), sent.bytes.length)
  t.equal(await value('mcp_duplex_message_bytes_total', files('out')), response(1).bytes.length)

  const about = { server: '', pid: 1, command: 'x' }
  for (let n = 0; n < 4; n++) publish('process', { type: 'start', ...about })
  publish('process', { type: 'stderr', ...about, line: 'x' })
  publish('process', { type: 'exit', ...about, exitCode: 0, signal: null })
  publish('process', { type: 'exit', ...about, exitCode: 3, signal: null })
  publish('process', { type: 'exit', ...about, exitCode: null, signal: 'SIGKILL' })
  const server = 'default'
  t.equal(await value('mcp_duplex_processes', { server }), 1)
  t.equal(await value('mcp_duplex_process_starts_total', { server }), 4)
  for (const exit of ['ok', 'error', 'signal']) {
    t.equal(await value('mcp_duplex_process_exits_total', { server, exit }), 1, exit)
  }
  publish('restart', { server: '', remote: false })
  t.equal(await value('mcp_duplex_restarts_total', { server }), 1)

  publish('refusal', { error: new ProxyError('ERR_FORBIDDEN', ''), address: '' })
  publish('refusal', { error: new ProxyError('ERR_FORBIDDEN', ''), address: '' })
  publish('refusal', { error: new Error('other'), address: '' })
  t.equal(await value('mcp_duplex_refusals_total', { code: 'ERR_FORBIDDEN' }), 2)
  t.equal(await value('mcp_duplex_refusals_total', { code: 'ERR_INTERNAL' }), 1)

  t.equal(await value('mcp_duplex_server_up', { server: 'default' }), 1)
  t.equal(await value('mcp_duplex_server_up', { server: 'files' }), 0)
  t.equal(await value('mcp_duplex_queue_bytes', { queue: 'audit' }), 7)
})

t.test('servers have their labels, which tell those of the same name apart', async (t) => {
  const labelOf = (server: string): string => (server === 'default' ? 'servers/default' : 'own')
  const { value } = await open(t, { labelOf })
  for (const server of ['default', 'default', '']) new Client({ server }).open().call('ping')
  for (const [server, count] of Object.entries({ 'servers/default': 2, own: 1 })) {
    t.equal(await value('mcp_duplex_sessions', { server }), count)
    t.equal(await value(`${duration}_count`, { server }), count)
  }
})

t.test('the process has its delay, its CPU time and its memory', async (t) => {
  const { value } = await open(t)
  t.ok(((await value('process_cpu_seconds_total')) as number) > 0)
  t.ok(((await value('process_resident_memory_bytes')) as number) > 10_000_000)
  const start = (await value('process_start_time_seconds')) as number
  t.ok(Math.abs(start * 1000 - Date.now()) < 10 * 60_000)
  t.equal(await value('nodejs_eventloop_delay_max_seconds'), 0, 'nothing is measured yet')
  await new Promise((resolve) => setTimeout(resolve, 30))
  const blocked = performance.now() + 100
  while (performance.now() < blocked);
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.ok(((await value('nodejs_eventloop_delay_max_seconds')) as number) > 0.05)
  t.equal(await value('nodejs_eventloop_delay_max_seconds'), 0, 'the next reading begins anew')
})

t.test('names that no server has listed, and methods of no protocol, are other', async (t) => {
  const { value } = await open(t)
  const client = new Client().open().list('read', 'x'.repeat(129), 7, null)
  const count = (labels: Record<string, string>): Promise<number | undefined> =>
    value(`${duration}_count`, labels)
  for (const name of ['write', 'x'.repeat(129), undefined, 'read']) {
    client.call('tools/call', { name })
  }
  t.equal(await count({ gen_ai_tool_name: 'read' }), 1)
  t.equal(await count({ gen_ai_tool_name: 'other' }), 3)
  new Client({ server: 'files' }).call('tools/call', { name: 'read' })
  t.equal(await count({ gen_ai_tool_name: 'other', server: 'files' }), 1, 'each server has its own')
  client.call('prompts/get', { name: 'read' })
  t.equal(await count({ gen_ai_prompt_name: 'other' }), 1, 'a tool is no prompt')
  for (const method of ['a', 'b', 'constructor', '__proto__']) client.call(method)
  t.equal(await count({ mcp_method_name: 'other' }), 4)
  client.call('ping', {}, { error: { code: 123456, message: '' } })
  t.equal(await count({ error_type: '_OTHER', rpc_response_status_code: '_OTHER' }), 1)
  const late = new Client().open().initialize('1999-01-01')
  late.call('ping')
  t.equal(await count({ mcp_method_name: 'ping', mcp_protocol_version: 'other' }), 1)
  new Client().open().call('initialize', {}, { protocolVersion: 7 })
  for (const tools of [undefined, 'x', {}, [], [7]]) client.call('tools/list', {}, { tools })
})

t.test('only the first names of a long list are read', async (t) => {
  const { value } = await open(t)
  const client = new Client().open().list(...Array.from({ length: 9_999 }, () => 0), 'a', 'b')
  client.call('tools/call', { name: 'a' })
  client.call('tools/call', { name: 'b' })
  for (const gen_ai_tool_name of ['a', 'other']) {
    t.equal(await value(`${duration}_count`, { gen_ai_tool_name }), 1)
  }
})

t.test('a hostile server and its clients cannot make the metrics grow', async (t) => {
  const { metrics, read } = await open(t)
  const tools = Array.from({ length: 1_000_000 }, (_, n) => ({ name: `tool-${n}` }))
  const many = response(1, { tools })
  const client = new Client().open()
  const before = performance.now()
  for (let n = 0; n < 10; n++) {
    client.say('client', request(1, 'tools/list'))
    client.say('server', many)
  }
  t.ok(performance.now() - before < 5000, 'a list is not read to its end')
  for (let n = 0; n < 3000; n++) {
    const code = [-32000, -32001, -32602, -32603, -32700, -32600, -32601][n % 7]
    const error = n % 3 === 0 ? {} : { error: { code, message: '' } }
    client.call('tools/call', { name: `tool-${n % 500}` }, error)
    client.call(`method-${n}`)
    client.call('tools/call', { name: `unknown-${n}` })
    new Client({ server: `server-${n}` }).open().call('prompts/get', { name: `${n}` }, error)
    publish('refusal', {
      error: Object.assign(new ProxyError('ERR_CLOSED', ''), { code: `E${n}` }),
      address: ''
    })
  }
  client.initialize('2025-03-26').call('prompts/get', { name: 'z' })
  const samples = await read()
  const series = new Set(
    samples
      .filter(({ name }) => name === `${duration}_count`)
      .map(({ labels }) => JSON.stringify(labels))
  )
  t.ok(series.size > 500, `${series.size} series`)
  t.ok(series.size < 1500, `${series.size} series`)
  t.ok((await metrics.text()).length < 8 * 1024 * 1024)
  const names = new Set(samples.map(({ labels }) => labels.gen_ai_tool_name))
  t.ok(names.size <= 502, `${names.size} tools`)
  const servers = new Set(samples.map(({ labels }) => labels.server))
  t.ok(servers.size <= 202, `${servers.size} servers`)
  t.ok(servers.has('other'))
  const codes = new Set(samples.map(({ labels }) => labels.code))
  t.ok(codes.size <= 102, `${codes.size} codes`)
})

t.test('a fact of another publisher cannot end the process', async (t) => {
  const log = new KeptLog()
  await open(t, { log })
  publish('message', {})
  t.match([...log.lines], [/^error: a fact is not in the metrics: /])
})

t.test('after `close` nothing is counted', async (t) => {
  const { metrics, value } = await open(t)
  metrics.close()
  new Client().open().call('ping')
  t.equal(await value('mcp_duplex_sessions'), undefined)
})

t.test('the listener serves them at a path, to clients with a token', async (t) => {
  const made = await metrics()
  t.teardown(() => made.close())
  const page = { path: '/metrics', contentType: made.contentType, text: () => made.text() }
  const auth = {
    check: (token: string) => (token === 'hidden' ? { principal: 'ann' } : undefined)
  }
  const { client, listener } = await serve(t, { auth, metrics: page, basePath: '/tools' })
  const authorization = 'Bearer hidden'
  const raw = client({ headers: { authorization } })
  await raw.initialize()
  for (const path of ['metrics', 'metrics/', 'tools/metrics']) {
    t.equal((await sendRequest(t, listener, 'GET', path)).statusCode, 401)
    const response = await sendRequest(t, listener, 'GET', path, { authorization })
    t.equal(response.statusCode, 200)
    t.equal(response.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
    let text = ''
    for await (const chunk of response) text += String(chunk)
    t.match(text, /^mcp_duplex_sessions\{server="default"\} 1$/m)
    t.notMatch(text, raw.sessionId)
  }
  t.equal((await sendRequest(t, listener, 'POST', 'metrics', { authorization })).statusCode, 405)
  t.equal((await sendRequest(t, listener, 'GET', 'metrics/x', { authorization })).statusCode, 404)
  const plain = await serve(t)
  t.equal((await sendRequest(t, plain.listener, 'GET', 'metrics')).statusCode, 404)
})

t.test('a client that leaves while the metrics are read gets none', async (t) => {
  let release!: (text: string) => void
  const asked = new Promise<string>((resolve) => (release = resolve))
  let isAsked = (): void => {}
  const reading = new Promise<void>((resolve) => (isAsked = resolve))
  const text = (): Promise<string> => {
    isAsked()
    return asked
  }
  const { listener } = await serve(t, {
    metrics: { path: '/m', contentType: 'text/plain', text }
  })
  const { socket } = rawConnection(t, listener)
  socket.write('GET /m HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await reading
  const farEnd = [...farEnds].find(({ remotePort }) => remotePort === socket.localPort) as Socket
  socket.destroy()
  await once(farEnd, 'close')
  release('late')
  await asked
  t.equal((await sendRequest(t, listener, 'GET', 'healthz')).statusCode, 200)
})

t.test('the dashboard uses metrics that exist', async (t) => {
  const { metrics } = await open(t)
  const types = typesIn(await metrics.text())
  const dashboard = readFileSync(fixture('dashboard.json'), 'utf8')
  const { panels } = JSON.parse(dashboard) as {
    panels: { title: string; targets?: { expr: string }[] }[]
  }
  const used = new Set<string>()
  for (const { title, targets = [] } of panels) {
    for (const { expr } of targets) {
      const names = expr.match(/\b(?:mcp|nodejs|process)_\w+/g) ?? []
      const metricNames = names.filter(
        (name) => !/^mcp_(?:method_name|protocol_version)$/.test(name)
      )
      t.ok(metricNames.length > 0, `${title} has a metric`)
      for (const name of metricNames) {
        const base = name.replace(/_(?:bucket|sum|count)$/, '')
        const known = types[name] ?? (types[base] === 'histogram' ? 'histogram' : undefined)
        t.ok(known, `${title}: ${name}`)
        used.add(base)
      }
    }
  }
  t.ok(used.size >= 10)
})
