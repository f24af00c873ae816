// Many clients of the modern revision share one process of a modern server. Each client must get its
// own responses, progress, log messages and subscriptions, and must not affect the others.

import http from 'node:http'
import t from 'tap'
import { httpClient } from '../../fixtures/clients/raw.js'
import { ended, fixture, until } from '../helpers.ts'
import { node, startProxy } from '../interop/helpers.ts'
import { ask, bodyOf, callTool, headersOf, parsed, post, subscribe, textOf } from '../modern.ts'
import type { Stream } from '../modern.ts'

t.setTimeout(120_000)

const modern = ['--', node, fixture('servers/modern.js')]
const bothEras = ['--', node, fixture('conformance/server.js')]
const subscriptionKey = 'io.modelcontextprotocol/subscriptionId'

t.test('200 calls at once with the same id get their own responses', async (t) => {
  const proxy = await startProxy(t, ...modern)
  const numbers = [...Array(200).keys()]
  const pids = new Set<string | undefined>()
  const results = await Promise.all(
    numbers.map(async (n) => {
      const text = `the text of ${n} – é😀 ${'x'.repeat(n * 10)}`
      const echoed = await callTool(proxy.mcp(), '1', 'echo', { text, delay: (n * 7) % 50 })
      pids.add((await callTool(proxy.mcp(), '1', 'pid')).text)
      return echoed.text === text && echoed.response.id === 1
    })
  )
  t.strictSame(
    results,
    numbers.map(() => true)
  )
  t.equal(pids.size, 1)
})

t.test('progress goes to its call, with the token of the client', async (t) => {
  const proxy = await startProxy(t, ...modern)
  const forms = ['"a\\u0041"', '1.0', '-0', '9007199254740993', '7', '7', '7']
  await Promise.all(
    forms.map(async (id, index) => {
      const count = 3 + index
      const body = bodyOf(id, 'tools/call', {
        name: 'count',
        arguments: { count },
        _meta: { progressToken: 'TOKEN' }
      }).replace('"TOKEN"', id)
      const headers = headersOf('tools/call', { name: 'count' })
      const texts: string[] = []
      const { ended } = await post(proxy.mcp(), body, headers, (_, text) => texts.push(text))
      await ended
      t.strictSame(
        texts.slice(0, -1),
        Array.from(
          { length: count },
          (_, n) =>
            `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${id},"progress":${n + 1},"total":${count}}}`
        )
      )
      t.ok(texts.at(-1)?.startsWith(`{"jsonrpc":"2.0","id":${id},"result":`), texts.at(-1) ?? '')
    })
  )
})

t.test(
  'requests in flight get an error when the process crashes, and the next call works',
  async (t) => {
    const proxy = await startProxy(t, ...modern)
    const { text: pid } = await callTool(proxy.mcp(), '0', 'pid')
    const waiting = [...Array(50).keys()].map((n) => callTool(proxy.mcp(), `"${n}"`, 'wait'))
    const subscription = await subscribe(proxy.mcp(), '5', { toolsListChanged: true })
    const done = await callTool(proxy.mcp(), '0', 'echo', { text: 'done before' })
    process.kill(Number(pid), 'SIGKILL')
    for (const [n, { response }] of (await Promise.all(waiting)).entries()) {
      t.match(response, { id: String(n), error: { code: -32000, message: /SIGKILL/ } })
    }
    t.equal(done.text, 'done before')
    await subscription.ended
    t.match(subscription.messages.at(-1), { id: 5, error: { code: -32000 } })
    const next = await callTool(proxy.mcp(), '0', 'pid')
    t.match(next.text, /^\d+$/)
    t.not(next.text, pid)
  }
)

t.test('1,000 subscriptions get each change once, with their own subscription ids', async (t) => {
  const proxy = await startProxy(t, '--keep-alive', '0', ...modern)
  const ids = [...Array(1000).keys()].map((n) => (n % 2 === 0 ? `${n >> 2}` : `"s-${n}"`))
  const streams: Stream[] = []
  for (let at = 0; at < ids.length; at += 50) {
    const batch = ids.slice(at, at + 50)
    const opened = batch.map((id) => subscribe(proxy.mcp(), id, { toolsListChanged: true }))
    streams.push(...(await Promise.all(opened)))
  }
  const other = await subscribe(proxy.mcp(), '1', { promptsListChanged: true })
  for (const round of [1, 2]) {
    await callTool(proxy.mcp(), '1', 'annotate', { header: `H${round}` })
    await until(() => streams.every(({ messages }) => messages.length > round))
  }
  const wrong = streams.filter(({ messages }, index) => {
    const expectedId = JSON.parse(ids[index] as string) as unknown
    const [first, ...others] = messages
    return !(
      first.method === 'notifications/subscriptions/acknowledged' &&
      others.length === 2 &&
      others.every(({ method }) => method === 'notifications/tools/list_changed') &&
      messages.every(({ params }) => params._meta[subscriptionKey] === expectedId)
    )
  })
  t.strictSame(wrong, [])
  t.equal(other.messages.length, 1)

  // When the proxy stops, each subscription ends with its response.
  const closed = proxy.close()
  await Promise.all([...streams, other].map((stream) => stream.ended))
  const withoutResponse = streams.filter(({ messages }, index) => {
    const expectedId = JSON.parse(ids[index] as string) as unknown
    const { id, result } = messages.at(-1)
    const isComplete =
      result?.resultType === 'complete' && result._meta[subscriptionKey] === expectedId
    return messages.length !== 4 || id !== expectedId || !isComplete
  })
  t.strictSame(withoutResponse, [])
  t.match(await closed, [0])
})

t.test('the acknowledgement is the first message of a subscription', async (t) => {
  const proxy = await startProxy(t, ...bothEras)
  const stream = await subscribe(proxy.mcp(), '"own"', {
    toolsListChanged: true,
    resourceSubscriptions: ['test://watched-resource']
  })
  t.match(stream.response.headers, {
    'content-type': 'text/event-stream',
    'x-accel-buffering': 'no'
  })
  await callTool(proxy.mcp(), '1', 'test_trigger_resource_update', {
    uri: 'test://watched-resource'
  })
  await until(() => stream.messages.length === 2)
  t.match(stream.messages, [
    {
      method: 'notifications/subscriptions/acknowledged',
      params: { _meta: { [subscriptionKey]: 'own' } }
    },
    {
      method: 'notifications/resources/updated',
      params: { uri: 'test://watched-resource', _meta: { [subscriptionKey]: 'own' } }
    }
  ])
})

t.test('a client cancels its request when it closes the connection', async (t) => {
  const proxy = await startProxy(t, ...modern)
  await callTool(proxy.mcp(), '0', 'echo', { text: 'warm' })
  const params = { name: 'wait', arguments: {} }
  const request = http.request(proxy.mcp(), {
    method: 'POST',
    headers: headersOf('tools/call', params),
    agent: false
  })
  request.on('error', () => {})
  request.end(bodyOf('1', 'tools/call', params))
  const stream = await subscribe(proxy.mcp(), '2', { toolsListChanged: true })
  const other = callTool(proxy.mcp(), '1', 'echo', { text: 'still here', delay: 300 })
  t.equal((await callTool(proxy.mcp(), '3', 'cancelled')).text, '0')
  request.destroy()
  stream.response.destroy()
  await until(async () => (await callTool(proxy.mcp(), '3', 'cancelled')).text === '2')
  t.equal((await other).text, 'still here')
})

t.test('a client that does not read is disconnected, and the others continue', async (t) => {
  const proxy = await startProxy(t, '--max-queue', '1m', '--log-level', 'DEBUG', ...modern)
  const params = { name: 'flood', arguments: { bytes: 50e6 }, _meta: { progressToken: 1 } }
  const slow = await new Promise<http.IncomingMessage>((resolve, reject) => {
    http
      .request(proxy.mcp(), {
        method: 'POST',
        headers: headersOf('tools/call', params),
        agent: false
      })
      .on('error', reject)
      .on('response', resolve)
      .end(bodyOf('1', 'tools/call', params))
  })
  const others = [...Array(20).keys()].map((n) =>
    callTool(proxy.mcp(), '1', 'echo', { text: `${n}` })
  )
  t.strictSame(
    (await Promise.all(others)).map(({ text }) => text),
    [...Array(20).keys()].map(String)
  )
  await until(() => proxy.stderr.includes('--max-queue'))
  let size = 0
  slow.on('data', (chunk: Buffer) => (size += chunk.length))
  await new Promise((resolve) => slow.on('error', () => {}).on('close', resolve))
  t.ok(size < 50e6, 'it did not get the whole response')
})

t.test(
  'a log message goes to the call with a logLevel, and nowhere if several have one',
  async (t) => {
    const proxy = await startProxy(t, ...modern)
    const logLevel = { _meta: { 'io.modelcontextprotocol/logLevel': 'info' } }
    const silent = callTool(proxy.mcp(), '1', 'echo', { text: '', delay: 500 })
    const { before } = await callTool(proxy.mcp(), '1', 'log', { text: 'about one' }, logLevel)
    t.match(before, [{ method: 'notifications/message', params: { data: 'about one' } }])
    t.strictSame((await silent).before, [])

    const waits = callTool(proxy.mcp(), '1', 'echo', { text: '', delay: 1000 }, logLevel)
    await callTool(proxy.mcp(), '1', 'echo', { text: '', delay: 100 })
    t.strictSame(
      (await callTool(proxy.mcp(), '1', 'log', { text: 'about two' }, logLevel)).before,
      []
    )
    t.strictSame((await waits).before, [])
  }
)

t.test('a request gets an error when its headers differ from its body', async (t) => {
  const proxy = await startProxy(t, ...modern)
  const region = async (headers: Record<string, string>): Promise<unknown> => {
    const params = { name: 'annotated', arguments: { region: 'é' } }
    const { status, messages } = await ask(proxy.mcp(), '"x"', 'tools/call', params, headers)
    return [status, messages[0].id, messages[0].error?.code ?? textOf(messages[0])]
  }
  const refused = [400, 'x', -32020]
  const encoded = '=?base64?w6k=?='
  t.strictSame(await region({}), refused)
  t.strictSame(await region({ 'Mcp-Param-Region': 'e' }), refused)
  t.strictSame(await region({ 'Mcp-Param-Region': '=?base64?w6k?=' }), refused)
  t.strictSame(await region({ 'mcp-param-REGION': encoded }), [200, 'x', 'é'])

  await callTool(proxy.mcp(), '1', 'annotate', { header: 'Area' })
  t.strictSame(await region({ 'Mcp-Param-Region': encoded }), refused)
  t.strictSame(await region({ 'Mcp-Param-Area': encoded }), [200, 'x', 'é'])

  process.kill(Number((await callTool(proxy.mcp(), '1', 'pid')).text), 'SIGKILL')
  await until(async () => (await callTool(proxy.mcp(), '1', 'pid')).status === 200)
  t.strictSame(
    await region({ 'Mcp-Param-Region': encoded }),
    [200, 'x', 'é'],
    'the new process has the first header again'
  )
})

t.test('each wrong request gets the status and code of the revision, and its own id', async (t) => {
  const proxy = await startProxy(t, ...bothEras)
  const http = httpClient(proxy.mcp())
  t.teardown(() => http.close())
  const capabilities = 'io.modelcontextprotocol/clientCapabilities'
  const version = 'io.modelcontextprotocol/protocolVersion'
  const sampling = { name: 'test_missing_capability' }
  const other = { _meta: { [version]: '2031-01-01' } }
  const faults: [string, Record<string, string | undefined>, number, number][] = [
    [
      bodyOf('5', 'x', { _meta: { [capabilities]: undefined } }),
      { 'mcp-method': 'y' },
      400,
      -32602
    ],
    [bodyOf('5', 'x'), { 'mcp-method': 'X' }, 400, -32020],
    [bodyOf('5', 'x'), { 'mcp-protocol-version': undefined }, 400, -32020],
    [bodyOf('5', 'x'), {}, 404, -32601],
    [bodyOf('5', 'initialize'), { 'mcp-method': 'initialize' }, 404, -32601],
    [bodyOf('5', 'tools/call', sampling), headersOf('tools/call', sampling), 400, -32021],
    [bodyOf('5', 'x', other), { 'mcp-protocol-version': '2031-01-01' }, 400, -32022]
  ]
  for (const [body, headers, status, code] of faults) {
    const response = parsed(await http.post(body, { ...headersOf('x'), ...headers }))
    t.match(response, { status, message: { id: 5, error: { code } } }, body)
  }
})

t.test(
  'when the proxy stops, requests in flight get a response, and its processes end',
  async (t) => {
    const proxy = await startProxy(t, '--prewarm', '1', ...modern)
    const { text: pid } = await callTool(proxy.mcp(), '1', 'pid')
    const inFlight = callTool(proxy.mcp(), '1', 'echo', { text: 'late', delay: 500 })
    await callTool(proxy.mcp(), '1', 'echo', { text: '' })
    t.match(await proxy.close(), [0])
    t.equal((await inFlight).text, 'late')
    await ended(Number(pid))
  }
)
