// A message crosses byte for byte. Random JSON goes to a server that sends the very bytes back, over
// every transport there is, in parts that are cut anywhere; both ways it must arrive as it was.
//
// Each run is another one. A failure names its seed: SEED=… repeats it.

import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import type {
  ClientStream,
  HttpClient,
  SseClient,
  StdioClient
} from '../../fixtures/clients/raw.js'
import { startHttpServer } from '../../fixtures/servers/http.js'
import type { ServerExchange } from '../../fixtures/servers/http.js'
import { node, rawThroughProxy, servers, startProxy } from './helpers.ts'
import { cut, deepObject, randomFrom, randomObject } from './random-json.ts'

t.setTimeout(120_000)

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32))
const random = randomFrom(seed)
const MiB = 1024 * 1024

const proxy = await startProxy('--', node, ...servers.rascal)
t.teardown(proxy.close)

/** Sends the bytes of a request, and gives the text of the message that has this id. */
type Ask = (request: Buffer, id: string) => Promise<string>

/** An HTTP server that is not ours, and sends the params of a request back as they came. */
const mirror = await startHttpServer({
  onPost(message, exchange) {
    if (message?.method !== 'test/mirror') return exchange.byDefault()
    if (mirrorsAs === 'json') writeParts(exchange, 'application/json', mirrored(exchange))
    else
      writeParts(
        exchange,
        'text/event-stream',
        Buffer.from(`data: ${oneLine(mirrored(exchange))}\n\n`)
      )
  },
  onMessage(message, exchange) {
    if (message?.method !== 'test/mirror') return exchange.byDefault()
    exchange.status(202)
    const [stream] = mirror.streams
    for (const part of cut(random, Buffer.from(`data: ${oneLine(mirrored(exchange))}\n\n`))) {
      stream?.raw(part)
    }
  }
})
t.teardown(() => mirror.close())
let mirrorsAs: 'json' | 'events' = 'json'

function mirrored({ entry: { raw } }: ServerExchange): Buffer {
  const method = raw.indexOf(',"method":')
  const id = raw.subarray(raw.indexOf('"id":') + 5, method).toString()
  const params = raw.subarray(raw.indexOf('"params":', method) + 9, raw.lastIndexOf('}'))
  return Buffer.concat([Buffer.from(head(id)), params, Buffer.from('}')])
}

function writeParts({ res }: ServerExchange, type: string, bytes: Buffer): void {
  res.writeHead(200, { 'content-type': type })
  for (const part of cut(random, bytes)) res.write(part)
  res.end()
}

const head = (id: string): string => `{"jsonrpc":"2.0","id":${id},"result":`

// Between tokens, a line break and a space mean the same, and only one of them fits in a line.
const oneLine = (json: string | Buffer): string => json.toString().replace(/[\r\n]/g, ' ')

/** What is sent in each way: many small ones at once, then large ones one by one. */
const sizes = {
  small: Array.from({ length: 40 }, (_, n) => Math.ceil(2 ** (n / 2.5))),
  large: [MiB, 8 * MiB]
}

const ids = ['0', '-7', '1E2', '123456789012345678901', '""', '"\\u0061"', '"é\u2028\\n😀"']

async function crosses(t: Test, ask: Ask, lineBreaks: boolean): Promise<void> {
  let lastId = 1000
  const check = async (params: string, about: string, id = String(++lastId)): Promise<void> => {
    const request = `{"jsonrpc":"2.0","id":${id},"method":"test/mirror","params":${params}}`
    const text = await ask(Buffer.from(lineBreaks ? request : oneLine(request)), id)
    const fault = difference(text, `${head(id)}${oneLine(params)}}`)
    t.equal(fault, undefined, `${about} (SEED=${seed})`)
  }
  await Promise.all(sizes.small.map((size) => check(randomObject(random, size), `${size} bytes`)))
  for (const size of sizes.large) await check(randomObject(random, size), `${size} bytes`)
  await check('{}', 'nothing')
  for (const [n, id] of ids.entries()) await check('{}', `id ${n} of those that are odd`, id)
  await check(deepObject(20_000), 'deep nesting')
}

function difference(actual: string, expected: string): string | undefined {
  if (actual === expected) return undefined
  let at = 0
  while (actual[at] === expected[at]) at++
  const around = (text: string): string => JSON.stringify(text.slice(Math.max(0, at - 20), at + 40))
  return `at ${at} of ${expected.length}: ${around(actual)} and not ${around(expected)}`
}

const eventOn = async ({ events }: ClientStream, id: string): Promise<string> =>
  (await events.until(({ data }) => data?.startsWith(head(id))))?.data ?? 'nothing'

/** The server asks, and tells afterwards what it was answered. */
async function answersCross(
  t: Test,
  client: HttpClient | SseClient | StdioClient,
  tell: (answer: Buffer) => unknown
): Promise<void> {
  for (const size of [10, 1000, 100_000]) {
    const result = randomObject(random, size)
    let answer = ''
    client.onRequest(({ id }) => {
      answer = oneLine(`{"result":${result},"id":${id},"jsonrpc":"2.0","unknown":1.0}`)
      void tell(Buffer.from(answer))
    })
    await client.request('test/ask', { method: 'test/question' })
    const { lines } = (await client.request('test/received')).result as { lines: string[] }
    t.equal(difference(lines.at(-2) ?? '', answer), undefined, `${size} bytes (SEED=${seed})`)
  }
}

async function httpSession(t: Test): Promise<HttpClient> {
  const client = httpClient(proxy.mcp())
  t.teardown(() => client.close())
  await client.initialize()
  return client
}

async function sseSession(t: Test): Promise<SseClient> {
  const client = await sseClient(proxy.sse())
  t.teardown(() => client.close())
  await client.initialize()
  return client
}

async function stdioSession(t: Test, ...args: string[]): Promise<StdioClient> {
  const client = rawThroughProxy(...args)
  t.teardown(() => client.end())
  await client.initialize()
  return client
}

/** Writes a line in parts. */
const tellBy = (client: StdioClient) => (bytes: Buffer) => {
  for (const part of cut(random, Buffer.concat([bytes, Buffer.from('\n')]))) {
    void client.sendRaw(part)
  }
}

const askBy = (client: StdioClient): Ask => {
  const tell = tellBy(client)
  return async (request, id) => {
    tell(request)
    return (await client.lines.until((line) => line.startsWith(head(id)))) ?? 'nothing'
  }
}

t.test('server mode, answers as JSON', async (t) => {
  const client = await httpSession(t)
  await crosses(t, async (request) => (await client.post(cut(random, request))).text, true)
  await answersCross(t, client, (answer) => client.post(cut(random, answer)))
})

t.test('server mode, answers as events', async (t) => {
  const client = await httpSession(t)
  const headers = { accept: 'text/event-stream' }
  const ask: Ask = async (request, id) =>
    eventOn(await client.openPost(cut(random, request), headers), id)
  await crosses(t, ask, true)
})

t.test('server mode, HTTP+SSE', async (t) => {
  const client = await sseSession(t)
  const ask: Ask = async (request, id) => {
    await client.post(cut(random, request))
    return eventOn(client.connection, id)
  }
  await crosses(t, ask, true)
  await answersCross(t, client, (answer) => client.post(cut(random, answer)))
})

t.test('two proxies, Streamable HTTP between them', async (t) => {
  const client = await stdioSession(t, proxy.mcp())
  await crosses(t, askBy(client), false)
  await answersCross(t, client, tellBy(client))
})

t.test('two proxies, HTTP+SSE between them', async (t) => {
  const client = await stdioSession(t, '--transport', 'sse', proxy.sse())
  await crosses(t, askBy(client), false)
  await answersCross(t, client, tellBy(client))
})

t.test('client mode, to a server that answers as JSON', async (t) => {
  mirrorsAs = 'json'
  await crosses(t, askBy(await stdioSession(t, mirror.url)), false)
})

t.test('client mode, to a server that answers as events', async (t) => {
  mirrorsAs = 'events'
  await crosses(t, askBy(await stdioSession(t, mirror.url)), false)
})

t.test('client mode, to a server of HTTP+SSE', async (t) => {
  await crosses(t, askBy(await stdioSession(t, '--transport', 'sse', mirror.sseUrl)), false)
})
