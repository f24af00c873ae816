// Traces: the spans that an SDK gets, and what the messages carry.

import { channel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { SpanKind, SpanStatusCode, trace as api } from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor
} from '@opentelemetry/sdk-trace-base'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { moveToMeta } from '../../lib/message/trace-context.ts'
import { acceptStdio } from '../../lib/stdio/accept-stdio.ts'
import { traces } from '../../lib/watchers/traces.ts'
import type { Traces, TracesOptions } from '../../lib/watchers/traces.ts'
import { loadApi } from '../../lib/watchers/traces/load-api.ts'
import { KeptLog, request, response, until } from '../helpers.ts'
import { json, rawConnection, serve } from '../http-server/helpers.ts'
import { bodyOf, headersOf } from '../modern.ts'

const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
const otherTrace = '0af7651916cd43dd8448eb211c80319c'
const parentId = '00f067aa0ba902b7'
const traceparent = `00-${trace}-${parentId}-01`
const otherParent = `00-${otherTrace}-${parentId}-01`

interface Open {
  traces: Traces
  /** The spans that have ended. */
  spans(): ReadableSpan[]
  /** How many spans have begun. */
  begun(): number
}

async function open(t: Test, options: TracesOptions = {}): Promise<Open> {
  const exporter = new InMemorySpanExporter()
  const processor = new SimpleSpanProcessor(exporter)
  let begun = 0
  processor.onStart = () => begun++
  api.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [processor] }))
  const made = await traces(options)
  t.teardown(async () => {
    await made.close()
    api.disable()
  })
  return { traces: made, spans: () => exporter.getFinishedSpans(), begun: () => begun }
}

t.test('a call of a session is a span of the kind SERVER', async (t) => {
  const { traces, spans } = await open(t)
  const { client, servers } = await serve(t, { trace: traces.trace })
  const raw = client()
  await raw.initialize()
  const [server] = servers
  const call = raw.post(
    json({ id: 'x', method: 'tools/call', params: { name: 'read', _meta: { traceparent } } })
  )
  const got = await server?.got('tools/call')
  t.strictSame(got.params._meta, { traceparent }, 'the message stays as it is')
  await server?.respond(got, { content: [], isError: true })
  await call
  const [opening, span] = spans() as [ReadableSpan, ReadableSpan]
  t.match(opening, { name: 'initialize', kind: SpanKind.SERVER, parentSpanContext: undefined })
  t.equal(opening.status.code, SpanStatusCode.UNSET)
  t.match(span, {
    name: 'tools/call read',
    kind: SpanKind.SERVER,
    parentSpanContext: { traceId: trace, spanId: parentId, isRemote: true },
    status: { code: SpanStatusCode.ERROR },
    links: []
  })
  t.strictSame(span.attributes, {
    'mcp.method.name': 'tools/call',
    'jsonrpc.request.id': 'x',
    'network.transport': 'tcp',
    'network.protocol.name': 'http',
    'network.protocol.version': '1.1',
    'gen_ai.tool.name': 'read',
    'gen_ai.operation.name': 'execute_tool',
    'mcp.session.id': raw.sessionId?.slice(0, 8),
    'client.address': '127.0.0.1',
    'mcp.protocol.version': '2025-11-25',
    'error.type': 'tool_error'
  })
})

t.test('the parent is in `_meta`, else in the headers, which are linked', async (t) => {
  const { traces, spans } = await open(t)
  const { client } = await serve(t, { trace: traces.trace })
  const raw = client({ headers: { traceparent: otherParent, tracestate: 'a=b' } })
  await raw.initialize()
  await raw.post(json({ id: 1, method: 'ping', params: { _meta: { traceparent } } }))
  const [opening, span] = spans() as [ReadableSpan, ReadableSpan]
  t.match(opening.parentSpanContext, { traceId: otherTrace, spanId: parentId })
  t.equal(opening.parentSpanContext?.traceState?.get('a'), 'b')
  t.strictSame(opening.links, [])
  t.match(span.parentSpanContext, { traceId: trace })
  t.match(span.links, [{ context: { traceId: otherTrace } }])
})

t.test('a client without a session has spans too', async (t) => {
  const { traces, spans } = await open(t)
  const { client, servers } = await serve(t, { trace: traces.trace })
  const uri = 'file:///a?secret'
  const post = client().post(
    bodyOf('1', 'resources/read', { uri }),
    headersOf('resources/read', { uri })
  )
  await until(() => servers.length === 1)
  const got = await servers[0]?.got('resources/read')
  await servers[0]?.say({ id: got.id, error: { code: -32602, message: 'x'.repeat(300) } })
  await post
  const [span] = spans() as [ReadableSpan]
  t.equal(span.name, 'resources/read')
  t.match(span.attributes, {
    'mcp.resource.uri': 'file:///a',
    'mcp.protocol.version': '2026-07-28',
    'rpc.response.status_code': '-32602',
    'error.type': '-32602'
  })
  t.notOk('mcp.session.id' in span.attributes)
  t.equal(span.status.message, 'x'.repeat(256))
})

t.test('with `move`, the message goes on with the span as its context', async (t) => {
  const { traces, spans } = await open(t, { move: true })
  const { client, servers } = await serve(t, { trace: traces.trace })
  const headers = { traceparent, tracestate: 'a=b', baggage: 'c=d' }
  const raw = client({ headers })
  await raw.initialize()
  const _meta = { traceparent: otherParent, more: 1 }
  await raw.post(json({ id: 1, method: 'ping', params: { _meta } }))
  const got = await servers[0]?.got('ping')
  const [, span] = spans() as [ReadableSpan, ReadableSpan]
  const { traceId, spanId } = span.spanContext()
  t.equal(traceId, trace, 'the headers win')
  t.equal(span.parentSpanContext?.spanId, parentId)
  t.strictSame(got.params._meta, {
    more: 1,
    traceparent: `00-${trace}-${spanId}-01`,
    tracestate: 'a=b',
    baggage: 'c=d'
  })
  await raw.post(json({ method: 'notifications/x' }))
  const told = await servers[0]?.got('notifications/x')
  t.strictSame(told.params._meta, headers, 'a notification has no span')
})

t.test('without an SDK, `move` passes on what came', async (t) => {
  const made = await traces({ move: true })
  t.teardown(() => made.close())
  const { client, servers } = await serve(t, { trace: made.trace })
  const raw = client()
  await raw.initialize()
  await raw.post(json({ id: 1, method: 'ping' }))
  const first = await servers[0]?.got('ping')
  t.equal(first.params, undefined)
  await raw.post(json({ id: 2, method: 'ping' }), { traceparent })
  t.match(await servers[0]?.got('ping', 2), { params: { _meta: { traceparent } } })
})

t.test('HTTP+SSE and batches move their headers too', async (t) => {
  const { sse, session } = await serve(t, { trace: moveToMeta })
  const old = await sse()
  await old.client.initialize()
  await old.client.post(json({ id: 9, method: 'ping' }), { traceparent })
  t.match(await old.server.got('ping', 9), { params: { _meta: { traceparent } } })
  const { client, server } = await session('2025-03-26')
  const batch = [1, 2].map((id) => json({ id, method: 'ping' }))
  await client.post(`[${batch.join(',')}]`, { traceparent })
  for (const id of [1, 2]) {
    t.match(await server.got('ping', id), { params: { _meta: { traceparent } } })
  }
})

t.test('client mode has spans of the kind CLIENT', async (t) => {
  for (const [url, port] of [
    ['https://example.com/mcp', 443],
    ['http://example.com/mcp', 80],
    ['http://example.com:8080/mcp', 8080]
  ] as const) {
    const { traces, spans } = await open(t, { side: 'client', move: true, url: new URL(url) })
    const input = new PassThrough()
    const transport = acceptStdio({ input, output: new PassThrough(), trace: traces.trace })
    const frames: Frame[] = []
    transport.on('data', (frame: Frame) => frames.push(frame))
    const id = 12345678901234567890n
    input.write(
      `{"jsonrpc":"2.0","id":${id},"method":"prompts/get","params":{"name":"p","_meta":{"traceparent":"${traceparent}"}}}\n`
    )
    await until(() => frames.length === 1)
    const [sent] = frames as [Frame]
    transport.write(sent.withBytes(Buffer.from(`{"jsonrpc":"2.0","id":${id},"result":{}}`)))
    transport.write(response(1))
    transport.destroy()
    await until(() => spans().length === 1)
    const [span] = spans() as [ReadableSpan]
    t.equal(span.name, 'prompts/get p')
    t.equal(span.kind, SpanKind.CLIENT)
    t.match(span.attributes, {
      'gen_ai.prompt.name': 'p',
      'server.address': 'example.com',
      'server.port': port,
      'jsonrpc.request.id': String(id)
    })
    t.match(String(sent), `"traceparent":"00-${trace}-${span.spanContext().spanId}-01"`)
    await traces.close()
    api.disable()
  }
})

const failed = (error: string): object => ({
  attributes: { 'error.type': error, 'client.address': '127.0.0.1' },
  status: { code: SpanStatusCode.ERROR }
})

t.test('the span of a refused request ends with the error', async (t) => {
  for (const move of [false, true]) {
    const { traces, spans, begun } = await open(t, { move })
    const { client } = await serve(t, { trace: traces.trace })
    await client().post(json({ id: 1, method: 'ping' }), { traceparent })
    const answer = await client().post(
      bodyOf('2', 'tools/list', {}),
      headersOf('tools/call', { name: 'x' })
    )
    t.match(spans(), [
      { ...failed('ERR_REQUEST'), name: 'ping', parentSpanContext: { traceId: trace } },
      failed('ERR_HEADER_MISMATCH')
    ])
    t.match(JSON.parse(answer.text), { error: { message: spans()[1]?.status.message } })
    t.equal(begun(), 2)
    await traces.close()
    api.disable()
  }
})

t.test('the spans of a refused batch end, and its notifications have none', async (t) => {
  const { traces, spans, begun } = await open(t)
  const { session, listener } = await serve(t, { trace: traces.trace })
  const { client } = await session('2025-03-26')
  const batch = [1, 2].map((id) => json({ id, method: 'ping' }))
  const initialize = json({ id: 3, method: 'initialize' })
  await client.post(`[${[...batch, json({ method: 'notifications/x' }), initialize].join(',')}]`)
  t.match(spans().slice(1), [
    { ...failed('ERR_REQUEST'), name: 'ping' },
    { ...failed('ERR_REQUEST'), name: 'ping' },
    { ...failed('ERR_REQUEST'), name: 'initialize' }
  ])
  t.equal(begun(), 4)
  publish('refusal', { error: new ProxyError('ERR_REQUEST', ''), address: '' })
  await listener.close(0)
  t.equal(spans().length, 4)
})

t.test('the span of a client that leaves during a check of its request ends', async (t) => {
  const { traces, spans, begun } = await open(t)
  let leave = (): void => {}
  const { listener, servers } = await serve(t, {
    trace: traces.trace,
    mirroredParams: async () => {
      leave()
      await sleep(50)
      return []
    }
  })
  const call = { name: 'tool' }
  const { socket } = rawConnection(t, listener)
  leave = () => socket.destroy()
  const body = bodyOf('1', 'tools/call', call)
  const size = { host: 'localhost', 'content-length': body.length }
  const head = Object.entries({ ...headersOf('tools/call', call), ...size })
  const lines = head.map((header) => header.join(': '))
  socket.write(['POST /mcp HTTP/1.1', ...lines, '', body].join('\r\n'))
  await until(() => spans().length === 1)
  t.match(spans(), [{ ...failed('ERR_CLOSED'), name: 'tools/call tool' }])
  t.equal(begun(), 1)
  t.equal(servers.length, 0)
})

t.test('a request whose id is in use has one span, with the id of the client', async (t) => {
  const { traces, spans, begun } = await open(t)
  const { session } = await serve(t, { trace: traces.trace })
  const { client, server } = await session('2025-11-25')
  const posts = [0, 1].map(() => client.post(json({ id: 'x', method: 'tools/list' })))
  const first = await server.got('tools/list')
  const second = await server.got('tools/list', 1_000_000_001)
  t.equal(first.id, 'x')
  for (const request of [first, second]) await server.respond(request)
  await Promise.all(posts)
  const calls = spans().filter(({ name }) => name === 'tools/list')
  t.strictSame(
    calls.map(({ attributes }) => attributes['jsonrpc.request.id']),
    ['x', 'x']
  )
  t.equal(begun(), spans().length)
})

t.test('the spans of calls in flight end with their server and their client', async (t) => {
  const { traces, spans, begun } = await open(t)
  const { session } = await serve(t, { trace: traces.trace })
  const { client, server } = await session('2025-11-25')
  const posts = ['1', '2'].map((id) => client.post(json({ id, method: 'tools/list' })))
  await server.got('tools/list', '2')
  await client.post(json({ method: 'notifications/cancelled', params: { requestId: '1' } }))
  server.destroy(new ProxyError('ERR_SERVER_EXITED', 'gone'))
  await Promise.all(posts)
  const ends = spans().map(({ attributes }) => attributes['error.type'])
  t.strictSame(ends, [undefined, 'cancelled', '-32000'])
  t.equal(begun(), 3)
})

t.test('the requests in a chunk behind the end of their client have no spans', async (t) => {
  const { traces, spans, begun } = await open(t, { side: 'client' })
  const input = new PassThrough()
  const transport = acceptStdio({ input, output: new PassThrough(), trace: traces.trace })
  transport.on('data', () => transport.destroy())
  input.write(`${json({ id: 1, method: 'ping' })}\n${json({ id: 2, method: 'ping' })}\n`)
  await once(transport, 'close')
  t.match(spans(), [{ attributes: { 'jsonrpc.request.id': '1', 'error.type': 'closed' } }])
  t.equal(begun(), 1)
})

const client = { server: '', session: 'secret', kind: 'session' }

const publish = (name: string, fact: object): void => channel(`mcp-duplex:${name}`).publish(fact)

t.test('a call that another publisher publishes has a span', async (t) => {
  const log = new KeptLog()
  const { spans } = await open(t, { log })
  publish('session', { type: 'open', client })
  const frame = request('x'.repeat(300), 'y'.repeat(300))
  publish('message', { client, from: 'client', frame, delivered: true })
  publish('session', { type: 'end', client, error: new ProxyError('ERR_SERVER_EXITED', '') })
  const [span] = spans() as [ReadableSpan]
  t.equal(span.name, 'other')
  t.equal(span.attributes['mcp.method.name'], 'y'.repeat(256))
  t.equal(span.attributes['jsonrpc.request.id'], 'x'.repeat(256))
  t.equal(span.attributes['error.type'], 'ERR_SERVER_EXITED')
  t.strictSame(span.status, { code: SpanStatusCode.ERROR })
  publish('message', {})
  t.match([...log.lines], [/^error: a call is not in the traces: /])
})

t.test('at the end the SDK exports its spans, unless it takes too long or fails', async (t) => {
  const log = new KeptLog()
  const provider = { getTracer: () => ({}) as never, forceFlush: () => Promise.resolve() }
  t.teardown(() => api.disable())
  api.setGlobalTracerProvider(provider)
  const made = await traces({ log })
  let isDone = false
  provider.forceFlush = async () => {
    await new Promise((resolve) => setTimeout(resolve, 50))
    isDone = true
  }
  await made.close()
  t.ok(isDone)
  provider.forceFlush = () => Promise.reject(new Error('no collector'))
  await made.close()
  t.strictSame([...log.lines], ['error: a call is not in the traces: no collector'])
  provider.forceFlush = () => new Promise(() => {})
  const before = performance.now()
  await made.close()
  t.ok(performance.now() - before < 5000)

  const frame = request(1, 'ping')
  t.equal(made.trace(frame, {}), frame, 'an SDK that fails does not fail the call')
  t.match(log.lines[1], /^error: a call is not in the traces: .*startSpan is not a function/)
})

t.test('without the package, there are no traces', async (t) => {
  const load = () => Promise.reject(new Error('Cannot find package'))
  await t.rejects(loadApi(load), {
    code: 'ERR_CONFIG',
    message: 'traces need the package @opentelemetry/api'
  })
})
