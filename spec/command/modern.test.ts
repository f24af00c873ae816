// Clients of the modern revision and of the legacy ones, at once, in front of one address: what each
// gets is its own.

import http from 'node:http'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient } from '../../fixtures/clients/raw.js'
import type { Json } from '../../fixtures/clients/raw.js'
import { ended, fixture } from '../helpers.ts'
import { node, startProxy, until } from '../interop/helpers.ts'
import type { Proxy } from '../interop/helpers.ts'
import { ask, bodyOf, headersOf, parsed, post } from '../modern.ts'
import type { Params, Stream } from '../modern.ts'

t.setTimeout(120_000)

const modern = [node, fixture('servers/modern.js')]
const bothEras = [node, fixture('conformance/server.js')]
const legacy = [node, fixture('servers/demo.js')]
const subscriptionKey = 'io.modelcontextprotocol/subscriptionId'

async function serve(t: Test, server: string[], ...flags: string[]): Promise<Proxy> {
  const proxy = await startProxy(...flags, '--', ...server)
  t.teardown(proxy.close)
  return proxy
}

/** The last of what comes for a call, and what came before it. */
async function call(proxy: Proxy, id: string, name: string, args: object = {}, more: Params = {}) {
  const { messages, texts, status } = await ask(proxy.mcp(), id, 'tools/call', {
    name,
    arguments: args,
    ...more
  })
  const answer = messages.at(-1)
  return { status, answer, before: messages.slice(0, -1), texts, text: textOf(answer) }
}

const textOf = (answer: Json): string | undefined => answer?.result?.content?.[0]?.text

const listen = 'subscriptions/listen'

/** Opens a subscription, and resolves when it has been acknowledged. */
async function subscribe(proxy: Proxy, id: string, notifications: object): Promise<Stream> {
  const stream = await post(proxy.mcp(), bodyOf(id, listen, { notifications }), headersOf(listen))
  await until(() => stream.messages.length > 0)
  return stream
}

t.test('200 calls at once, all with one id, from as many connections', async (t) => {
  const proxy = await serve(t, modern)
  const numbers = [...Array(200).keys()]
  const pids = new Set<string | undefined>()
  const results = await Promise.all(
    numbers.map(async (n) => {
      const text = `the text of ${n} – é😀 ${'x'.repeat(n * 10)}`
      const answer = await call(proxy, '1', 'echo', { text, delay: (n * 7) % 50 })
      pids.add((await call(proxy, '1', 'pid')).text)
      return answer.text === text && answer.answer.id === 1
    })
  )
  t.strictSame(
    results,
    numbers.map(() => true)
  )
  t.equal(pids.size, 1)
})

t.test('progress goes with its call, under the token that the client chose', async (t) => {
  const proxy = await serve(t, modern)
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
  'a crash loses what is under way, each with an error, and the next call works',
  async (t) => {
    const proxy = await serve(t, modern)
    const { text: pid } = await call(proxy, '0', 'pid')
    const waiting = [...Array(50).keys()].map((n) => call(proxy, `"${n}"`, 'wait'))
    const subscription = await subscribe(proxy, '5', { toolsListChanged: true })
    const done = await call(proxy, '0', 'echo', { text: 'done before' })
    process.kill(Number(pid), 'SIGKILL')
    for (const [n, { answer }] of (await Promise.all(waiting)).entries()) {
      t.match(answer, { id: String(n), error: { code: -32000, message: /SIGKILL/ } })
    }
    t.equal(done.text, 'done before')
    await subscription.ended
    t.match(subscription.messages.at(-1), { id: 5, error: { code: -32000 } })
    const next = await call(proxy, '0', 'pid')
    t.match(next.text, /^\d+$/)
    t.not(next.text, pid)
  }
)

t.test('1,000 subscriptions hear of a change once each, under their own names', async (t) => {
  const proxy = await serve(t, modern, '--keep-alive', '0')
  const ids = [...Array(1000).keys()].map((n) => (n % 2 === 0 ? `${n >> 2}` : `"s-${n}"`))
  const streams: Stream[] = []
  for (let at = 0; at < ids.length; at += 50) {
    const batch = ids.slice(at, at + 50)
    const opened = batch.map((id) => subscribe(proxy, id, { toolsListChanged: true }))
    streams.push(...(await Promise.all(opened)))
  }
  const other = await subscribe(proxy, '1', { promptsListChanged: true })
  for (const round of [1, 2]) {
    await call(proxy, '1', 'annotate', { header: `H${round}` })
    await until(() => streams.every(({ messages }) => messages.length > round))
  }
  const wrong = streams.filter(({ messages }, index) => {
    const own = JSON.parse(ids[index] as string) as unknown
    const [first, ...others] = messages
    return !(
      first.method === 'notifications/subscriptions/acknowledged' &&
      others.length === 2 &&
      others.every(({ method }) => method === 'notifications/tools/list_changed') &&
      messages.every(({ params }) => params._meta[subscriptionKey] === own)
    )
  })
  t.strictSame(wrong, [])
  t.equal(other.messages.length, 1)

  // They end as they should when the proxy is told to stop.
  const closed = proxy.close()
  await Promise.all([...streams, other].map((stream) => stream.ended))
  const ungraceful = streams.filter(({ messages }, index) => {
    const own = JSON.parse(ids[index] as string) as unknown
    const { id, result } = messages.at(-1)
    const isGraceful = result?.resultType === 'complete' && result._meta[subscriptionKey] === own
    return messages.length !== 4 || id !== own || !isGraceful
  })
  t.strictSame(ungraceful, [])
  t.match(await closed, [0])
})

t.test('a subscription is acknowledged at once, and nothing is sent before', async (t) => {
  const proxy = await serve(t, bothEras)
  const stream = await subscribe(proxy, '"own"', {
    toolsListChanged: true,
    resourceSubscriptions: ['test://watched-resource']
  })
  t.match(stream.response.headers, {
    'content-type': 'text/event-stream',
    'x-accel-buffering': 'no'
  })
  await call(proxy, '1', 'test_trigger_resource_update', { uri: 'test://watched-resource' })
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

t.test('a client that closes its connection has cancelled its request', async (t) => {
  const proxy = await serve(t, modern)
  await call(proxy, '0', 'echo', { text: 'warm' })
  const params = { name: 'wait', arguments: {} }
  const request = http.request(proxy.mcp(), {
    method: 'POST',
    headers: headersOf('tools/call', params),
    agent: false
  })
  request.on('error', () => {})
  request.end(bodyOf('1', 'tools/call', params))
  const stream = await subscribe(proxy, '2', { toolsListChanged: true })
  const other = call(proxy, '1', 'echo', { text: 'still here', delay: 300 })
  t.equal((await call(proxy, '3', 'cancelled')).text, '0')
  request.destroy()
  stream.response.destroy()
  await until(async () => (await call(proxy, '3', 'cancelled')).text === '2')
  t.equal((await other).text, 'still here')
})

t.test('a client that does not read is cut off, and hurts no other', async (t) => {
  const proxy = await serve(t, modern, '--max-queue', '1m', '--log-level', 'DEBUG')
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
  const others = [...Array(20).keys()].map((n) => call(proxy, '1', 'echo', { text: `${n}` }))
  t.strictSame(
    (await Promise.all(others)).map(({ text }) => text),
    [...Array(20).keys()].map(String)
  )
  await until(() => proxy.stderr.includes('--max-queue'))
  let size = 0
  slow.on('data', (chunk: Buffer) => (size += chunk.length))
  await new Promise((resolve) => slow.on('error', () => {}).on('close', resolve))
  t.ok(size < 50e6, 'it got no more than was kept for it')
})

t.test('log messages go to the one call that asked for some', async (t) => {
  const proxy = await serve(t, modern)
  const logLevel = { _meta: { 'io.modelcontextprotocol/logLevel': 'info' } }
  const silent = call(proxy, '1', 'echo', { text: '', delay: 500 })
  const { before } = await call(proxy, '1', 'log', { text: 'about one' }, logLevel)
  t.match(before, [{ method: 'notifications/message', params: { data: 'about one' } }])
  t.strictSame((await silent).before, [])

  const waits = call(proxy, '1', 'echo', { text: '', delay: 1000 }, logLevel)
  await call(proxy, '1', 'echo', { text: '', delay: 100 })
  t.strictSame((await call(proxy, '1', 'log', { text: 'about whom?' }, logLevel)).before, [])
  t.strictSame((await waits).before, [])
})

t.test('headers are held against the body, and what a tool mirrors too', async (t) => {
  const proxy = await serve(t, modern)
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

  await call(proxy, '1', 'annotate', { header: 'Area' })
  t.strictSame(await region({ 'Mcp-Param-Region': encoded }), refused)
  t.strictSame(await region({ 'Mcp-Param-Area': encoded }), [200, 'x', 'é'])

  process.kill(Number((await call(proxy, '1', 'pid')).text), 'SIGKILL')
  await until(async () => (await call(proxy, '1', 'pid')).status === 200)
  t.strictSame(
    await region({ 'Mcp-Param-Region': encoded }),
    [200, 'x', 'é'],
    'another process, other tools'
  )
})

t.test(
  'each fault has the status that the revision gives it, and the id of the request',
  async (t) => {
    const proxy = await serve(t, bothEras)
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
      const answer = parsed(await http.post(body, { ...headersOf('x'), ...headers }))
      t.match(answer, { status, message: { id: 5, error: { code } } }, body)
    }
  }
)

t.test('both eras are served at one address, at once', async (t) => {
  const proxy = await serve(t, bothEras)
  const sessions = await Promise.all(
    [1, 2, 3].map(async () => {
      const session = httpClient(proxy.mcp())
      t.teardown(() => session.close())
      t.match(await session.initialize(), { result: { protocolVersion: '2025-11-25' } })
      return session
    })
  )
  await Promise.all(
    [...Array(20).keys()].flatMap((n) => [
      call(proxy, '1', 'greet', { name: `modern ${n}` }).then(({ text, answer }) => {
        t.equal(text, `Hello, modern ${n}!`)
        t.equal(answer.result.resultType, 'complete')
      }),
      ...sessions.map(async (session, index) => {
        const params = { name: 'greet', arguments: { name: `legacy ${index} ${n}` } }
        const answer = await session.request('tools/call', params)
        t.equal(textOf(answer), `Hello, legacy ${index} ${n}!`)
        t.notOk('resultType' in answer.result)
      })
    ])
  )
})

t.test('a legacy server refuses modern clients in a way that sends them back', async (t) => {
  const proxy = await serve(t, legacy)
  for (const method of ['server/discover', 'tools/list', 'tools/call', listen]) {
    const answer = await ask(proxy.mcp(), '1', method, { name: 'echo' })
    t.match(answer, { status: 400, messages: [{ id: 1, error: { code: -32600 } }] }, method)
  }
  const session = httpClient(proxy.mcp())
  t.teardown(() => session.close())
  t.match(await session.initialize(), { result: { serverInfo: { name: 'demo' } } })
  t.notMatch(proxy.stderr, /\[E /, 'which is no error')
})

t.test('a server that is silent to modern clients is taken for legacy', async (t) => {
  const silent = [node, '-e', 'process.stdin.resume()']
  const proxy = await serve(t, silent, '--connect-timeout', '500ms')
  const first = await Promise.all([1, 2].map(() => ask(proxy.mcp(), '1', 'server/discover')))
  for (const answer of [...first, await ask(proxy.mcp(), '1', 'tools/call', { name: 'x' })]) {
    t.match(answer, { status: 400, messages: [{ id: 1, error: { code: -32600 } }] })
  }
})

t.test('a server that cannot be started is not taken for anything', async (t) => {
  const proxy = await serve(t, [node, '-e', 'console.error("no config"); process.exit(3)'])
  for (let attempt = 0; attempt < 2; attempt++) {
    const { messages } = await ask(proxy.mcp(), '1', 'tools/list')
    t.match(messages, [
      { id: 1, error: { code: -32000, message: /exited with code 3.*no config/ } }
    ])
  }
})

t.test("the SDK's client finds the era of the server, and stays with it", async (t) => {
  const eras = { '2026-07-28': bothEras, '2025-11-25': legacy }
  for (const [version, server] of Object.entries(eras)) {
    const proxy = await serve(t, server)
    const client = new Client(
      { name: 'test', version: '1.0.0' },
      { versionNegotiation: { mode: 'auto' } }
    )
    t.teardown(() => client.close())
    await client.connect(new StreamableHTTPClientTransport(new URL(proxy.mcp())))
    t.equal(client.getNegotiatedProtocolVersion(), version)
    const tools = (await client.listTools()).tools.map(({ name }) => name)
    const [name, args, said] = tools.includes('greet')
      ? ['greet', { name: 'é' }, 'Hello, é!']
      : ['echo', { text: 'é' }, 'é']
    const { content } = await client.callTool({ name, arguments: args })
    t.match(content, [{ type: 'text', text: said }])
  }
})

t.test('when the proxy stops, no process of its is left', async (t) => {
  const proxy = await startProxy('--prewarm', '1', '--', ...modern)
  const { text: pid } = await call(proxy, '1', 'pid')
  const stopped = call(proxy, '1', 'echo', { text: 'late', delay: 500 })
  await call(proxy, '1', 'echo', { text: '' })
  t.match(await proxy.close(), [0])
  t.equal((await stopped).text, 'late', 'and what is under way is answered')
  await ended(Number(pid))
})
