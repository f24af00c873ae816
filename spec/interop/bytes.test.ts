// Messages arrive byte for byte. A test sends requests with random JSON as params, cut into random
// chunks, to a server that returns the params unchanged, and compares the response's bytes. Responses
// to the server's requests are compared in the same way. There is a test for each transport.
//
// The tests of server mode run twice: the second proxy asks for a token.
//
// Each run uses a new random seed. A failure names the seed: SEED=… repeats the run.

import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import type { ClientStream, StdioClient } from '../../fixtures/clients/raw.js'
import { startHttpServer } from '../../fixtures/servers/http.js'
import type { ServerExchange } from '../../fixtures/servers/http.js'
import { node, openSession, servers, startClientMode, startProxy } from './helpers.ts'
import type { AnyClient } from './helpers.ts'
import { cut, deepObject, randomFrom, randomObject } from './random-json.ts'

t.setTimeout(120_000)

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32))
const random = randomFrom(seed)
const MiB = 1024 * 1024

const tokens = t.testdir({ tokens: 'me:secret\n' })
const guarded = { authorization: 'Bearer secret' }
const proxies = [
  { how: '', proxy: await startProxy(t, '--', node, ...servers.misbehaving), headers: {} },
  {
    how: ', with a token',
    proxy: await startProxy(
      t,
      ...['--auth-token-file', `${tokens}/tokens`, '--', node],
      ...servers.misbehaving
    ),
    headers: guarded
  }
]

/** Sends the bytes of a request. Resolves to the text of the response with this id. */
type Ask = (request: Buffer, id: string) => Promise<string>

/** An HTTP server that responds with the params of the request, byte for byte. */
const mirror = await startHttpServer({
  onPost(message, exchange) {
    if (message?.method !== 'test/mirror') return exchange.byDefault()
    if (mirrorsAs === 'json') writeParts(exchange, 'application/json', mirrorResponse(exchange))
    else writeParts(exchange, 'text/event-stream', eventOf(mirrorResponse(exchange)))
  },
  onMessage(message, exchange) {
    if (message?.method !== 'test/mirror') return exchange.byDefault()
    exchange.status(202)
    const [stream] = mirror.streams
    for (const part of cut(random, eventOf(mirrorResponse(exchange)))) stream?.raw(part)
  }
})
t.teardown(() => mirror.close())
let mirrorsAs: 'json' | 'events' = 'json'

function mirrorResponse({ entry: { raw } }: ServerExchange): Buffer {
  const method = raw.indexOf(',"method":')
  const id = raw.subarray(raw.indexOf('"id":') + 5, method).toString()
  const params = raw.subarray(raw.indexOf('"params":', method) + 9, raw.lastIndexOf('}'))
  return Buffer.concat([Buffer.from(responseHead(id)), params, Buffer.from('}')])
}

const eventOf = (json: Buffer): Buffer => Buffer.from(`data: ${oneLine(json)}\n\n`)

function writeParts({ res }: ServerExchange, type: string, bytes: Buffer): void {
  res.writeHead(200, { 'content-type': type })
  for (const part of cut(random, bytes)) res.write(part)
  res.end()
}

const responseHead = (id: string): string => `{"jsonrpc":"2.0","id":${id},"result":`

// A message on stdio or in an event's data must not have a line break. Between tokens a space is equal.
const oneLine = (json: string | Buffer): string => json.toString().replace(/[\r\n]/g, ' ')

/** Sizes of the random params: many small requests at once, then large ones one by one. */
const sizes = {
  small: Array.from({ length: 40 }, (_, n) => Math.ceil(2 ** (n / 2.5))),
  large: [MiB, 8 * MiB]
}

const ids = ['0', '-7', '1E2', '123456789012345678901', '""', '"\\u0061"', '"é\u2028\\n😀"']

async function requestsArrive(t: Test, ask: Ask, lineBreaks: boolean): Promise<void> {
  let lastId = 1000
  const check = async (params: string, about: string, id = String(++lastId)): Promise<void> => {
    const request = `{"jsonrpc":"2.0","id":${id},"method":"test/mirror","params":${params}}`
    const text = await ask(Buffer.from(lineBreaks ? request : oneLine(request)), id)
    const fault = difference(text, `${responseHead(id)}${oneLine(params)}}`)
    t.equal(fault, undefined, `${about} (SEED=${seed})`)
  }
  await Promise.all(sizes.small.map((size) => check(randomObject(random, size), `${size} bytes`)))
  for (const size of sizes.large) await check(randomObject(random, size), `${size} bytes`)
  await check('{}', 'empty params')
  for (const [n, id] of ids.entries()) await check('{}', `unusual id ${n}`, id)
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
  (await events.until(({ data }) => data?.startsWith(responseHead(id))))?.data ?? 'no event'

/** The server sends a request, and afterwards lists the lines that it received. */
async function responsesArrive(
  t: Test,
  client: AnyClient,
  send: (response: Buffer) => unknown
): Promise<void> {
  for (const size of [10, 1000, 100_000]) {
    const result = randomObject(random, size)
    let response = ''
    client.onRequest(({ id }) => {
      response = oneLine(`{"result":${result},"id":${id},"jsonrpc":"2.0","unknown":1.0}`)
      void send(Buffer.from(response))
    })
    await client.request('test/ask', { method: 'test/question' })
    const { lines } = (await client.request('test/received')).result as { lines: string[] }
    t.equal(difference(lines.at(-2) ?? '', response), undefined, `${size} bytes (SEED=${seed})`)
  }
}

/** Writes a line in parts. */
const lineSender = (client: StdioClient) => (bytes: Buffer) => {
  for (const part of cut(random, Buffer.concat([bytes, Buffer.from('\n')]))) {
    void client.sendRaw(part)
  }
}

const lineAsker = (client: StdioClient): Ask => {
  const send = lineSender(client)
  return async (request, id) => {
    send(request)
    return (await client.lines.until((line) => line.startsWith(responseHead(id)))) ?? 'no line'
  }
}

for (const { how, proxy, headers } of proxies) {
  const flags = Object.entries(headers).flatMap(([name, value]) => ['-H', name, value])

  t.test(`server mode, responses as JSON${how}`, async (t) => {
    const client = await openSession(t, httpClient(proxy.mcp(), { headers }))
    await requestsArrive(t, async (request) => (await client.post(cut(random, request))).text, true)
    await responsesArrive(t, client, (response) => client.post(cut(random, response)))
  })

  t.test(`server mode, responses as events${how}`, async (t) => {
    const client = await openSession(t, httpClient(proxy.mcp(), { headers }))
    const accept = 'text/event-stream'
    const ask: Ask = async (request, id) =>
      eventOn(await client.openPost(cut(random, request), { ...headers, accept }), id)
    await requestsArrive(t, ask, true)
  })

  t.test(`server mode, HTTP+SSE${how}`, async (t) => {
    const client = await openSession(t, await sseClient(proxy.sse(), { headers }))
    const ask: Ask = async (request, id) => {
      await client.post(cut(random, request))
      return eventOn(client.connection, id)
    }
    await requestsArrive(t, ask, true)
    await responsesArrive(t, client, (response) => client.post(cut(random, response)))
  })

  t.test(`two proxies, Streamable HTTP between them${how}`, async (t) => {
    const client = await openSession(t, startClientMode(...flags, proxy.mcp()))
    await requestsArrive(t, lineAsker(client), false)
    await responsesArrive(t, client, lineSender(client))
  })

  t.test(`two proxies, HTTP+SSE between them${how}`, async (t) => {
    const client = await openSession(
      t,
      startClientMode(...flags, '--transport', 'sse', proxy.sse())
    )
    await requestsArrive(t, lineAsker(client), false)
    await responsesArrive(t, client, lineSender(client))
  })
}

t.test('client mode, server with responses as JSON', async (t) => {
  mirrorsAs = 'json'
  const client = await openSession(t, startClientMode(mirror.url))
  await requestsArrive(t, lineAsker(client), false)
})

t.test('client mode, server with responses as events', async (t) => {
  mirrorsAs = 'events'
  const client = await openSession(t, startClientMode(mirror.url))
  await requestsArrive(t, lineAsker(client), false)
})

t.test('client mode, server over HTTP+SSE', async (t) => {
  const client = await openSession(t, startClientMode('--transport', 'sse', mirror.sseUrl))
  await requestsArrive(t, lineAsker(client), false)
})
