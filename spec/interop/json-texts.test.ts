// JSON texts cross the proxy byte for byte if they are valid. If not, the proxy refuses them and never
// forwards them. Each text is a value in params, in a result and in the server's messages, and a whole
// message. There is a test for each transport, in server mode and in client mode.

import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import type { HttpClient, HttpResponse, Json, StdioClient } from '../../fixtures/clients/raw.js'
import { startTextServer } from '../../fixtures/servers/json-texts.js'
import { fixture } from '../helpers.ts'
import { headersOf, meta } from '../modern.ts'
import { openSession, node, startClientMode, startProxy } from './helpers.ts'
import { invalid, valid } from './json-cases.ts'
import type { Case } from './json-cases.ts'

t.setTimeout(240_000)

const textServer = ['--', node, fixture('servers/json-texts.js')]
const isBlank = (bytes: Buffer): boolean => bytes.toString().trim() === ''

/** One client of the proxy. */
interface Way {
  /** Sends bytes as a message. Over HTTP, resolves to the HTTP response. */
  send(bytes: Buffer, method: string): Promise<HttpResponse | undefined>
  /** Every message that the client received. */
  received: Received
  /** The revision without sessions: each request has `_meta`. */
  isModern?: boolean
  /** Whether the client is on stdio, where a line break ends a message. */
  isStdio?: boolean
  /** Whether the server can send requests to this client. */
  hasSession: boolean
}

/** The texts of messages, and the waiting readers. */
class Received {
  readonly texts: string[] = []
  readonly #waiting = new Map<unknown, (text: string) => void>()

  push(text: string): void {
    this.texts.push(text)
    let message: Json
    try {
      message = JSON.parse(text)
    } catch {
      return // The test finds it in `texts`.
    }
    this.#waiting.get(message.id)?.(text)
  }

  /** Resolves to the message with this id. */
  withId(id: unknown): Promise<string> {
    return new Promise((resolve) => this.#waiting.set(id, resolve))
  }
}

// ---- The ways.

function postingWay(client: HttpClient, rest: Pick<Way, 'hasSession' | 'isModern'>): Way {
  const received = new Received()
  const send = async (bytes: Buffer, method: string): Promise<HttpResponse> => {
    const response = await client.post(bytes, rest.isModern ? headersOf(method) : {})
    const { headers, text } = response
    if (headers['content-type']?.startsWith('text/event-stream')) {
      // A regular expression's line ends at U+2028 too, which JSON allows in a string.
      const lines = text.split('\n').filter((line) => line.startsWith('data: '))
      for (const line of lines) received.push(line.slice('data: '.length))
    } else if (text !== '') received.push(text)
    return response
  }
  return { send, received, ...rest }
}

async function sseWay(t: Test, url: string): Promise<Way> {
  const client = await openSession(t, await sseClient(url))
  const received = new Received()
  const read = async (): Promise<void> => {
    for await (const { data } of client.connection.events) received.push(data ?? '')
  }
  void read()
  return { send: (bytes) => client.post(bytes), received, hasSession: true }
}

function lineWay(client: StdioClient, rest: Pick<Way, 'hasSession' | 'isModern'>): Way {
  const received = new Received()
  const read = async (): Promise<void> => {
    for await (const line of client.lines) received.push(line)
  }
  void read()
  const send = async (bytes: Buffer): Promise<undefined> => {
    await client.sendRaw(Buffer.concat([bytes, Buffer.from('\n')]))
  }
  return { send, received, isStdio: true, ...rest }
}

async function clientModeWay(t: Test, form: 'json' | 'events' | 'modern' | 'sse'): Promise<Way> {
  const server = await startTextServer(form === 'sse' ? 'json' : form)
  t.teardown(() => server.close())
  if (form === 'modern') {
    const client = startClientMode(server.url)
    t.teardown(() => client.end())
    return lineWay(client, { hasSession: false, isModern: true })
  }
  const args = form === 'sse' ? ['--transport', 'sse', server.sseUrl] : [server.url]
  const client = await openSession(t, startClientMode(...args))
  client.onRequest(() => undefined)
  return lineWay(client, { hasSession: true })
}

async function serverModeWay(t: Test, kind: 'session' | 'stateless' | 'modern'): Promise<Way> {
  const flags = kind === 'stateless' ? ['--stateless'] : []
  const proxy = await startProxy(
    t,
    ...flags,
    ...textServer,
    ...(kind === 'modern' ? ['--modern'] : [])
  )
  const client = httpClient(proxy.mcp())
  if (kind === 'session') {
    await openSession(t, client)
    client.onRequest(() => undefined)
    return postingWay(client, { hasSession: true })
  }
  t.teardown(() => client.close())
  return postingWay(client, { hasSession: false, isModern: kind === 'modern' })
}

const ways: Record<string, (t: Test) => Promise<Way>> = {
  'server mode, Streamable HTTP': (t) => serverModeWay(t, 'session'),
  'server mode, HTTP+SSE': async (t) => sseWay(t, (await startProxy(t, ...textServer)).sse()),
  'server mode, --stateless': (t) => serverModeWay(t, 'stateless'),
  'server mode, revision 2026-07-28': (t) => serverModeWay(t, 'modern'),
  'client mode, responses as JSON': (t) => clientModeWay(t, 'json'),
  'client mode, responses as events': (t) => clientModeWay(t, 'events'),
  'client mode, HTTP+SSE': (t) => clientModeWay(t, 'sse'),
  'client mode, revision 2026-07-28': (t) => clientModeWay(t, 'modern')
}

// ---- Messages.

const join = (...parts: (string | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string)))

// A message on stdio or in an event must not have a line break. Between tokens a space is equal.
const oneLine = (bytes: Buffer): string => bytes.toString().replace(/[\r\n]/g, ' ')

/** Params that hold a text as a value. */
const paramsOf = ({ isModern }: Way, { bytes }: Case): Buffer =>
  join('{', isModern ? `"_meta":${JSON.stringify(meta)},` : '', '"v":', bytes, '}')

/** Params, and after them the members of an object, which become members of the whole message. */
function paramsAndMembers({ isModern }: Way, { bytes }: Case): Buffer | undefined {
  const text = bytes.toString().trim()
  if (!text.startsWith('{') || 'id' in JSON.parse(text)) return undefined
  const members = text.slice(1, -1)
  const params = isModern ? JSON.stringify({ _meta: meta }) : '{}'
  return join(params, members.trim() === '' ? '' : ',', members)
}

class Peer {
  readonly way: Way
  #lastId = 100
  constructor(way: Way) {
    this.way = way
  }

  /** Sends a request. Resolves to the text of the response, and to what it must start with. */
  async ask(method: string, params: Buffer): Promise<{ text: string; head: string }> {
    const id = ++this.#lastId
    const response = this.way.received.withId(id)
    const request = join(`{"jsonrpc":"2.0","id":${id},"method":"${method}","params":`, params, '}')
    const http = await this.way.send(this.way.isStdio ? join(oneLine(request)) : request, method)
    const ended = http !== undefined && http.status >= 300 ? http.text : ''
    return { text: ended || (await response), head: `{"jsonrpc":"2.0","id":${id},"result":` }
  }

  /** Makes the server respond with these bytes as the result, or send them as messages. */
  order(method: string, ...parts: Buffer[]): Promise<{ text: string; head: string }> {
    const base64 = parts.map((bytes) => bytes.toString('base64'))
    const params = { base64, ...(this.way.isModern && { _meta: meta }) }
    return this.ask(method, join(JSON.stringify(params)))
  }

  /** Every message that the server received, with each byte as a character. */
  async receivedByServer(): Promise<string[]> {
    const { text } = await this.order('test/received')
    return JSON.parse(text).result.lines
  }
}

function listed(names: string[]): string {
  return names.length === 0 ? '' : `${names.length}: ${names.join(', ')}`
}

// ---- The tests.

async function validTextsCross(t: Test, way: Way): Promise<void> {
  const peer = new Peer(way)
  const changed: string[] = []
  for (const one of valid) {
    for (const params of [paramsOf(way, one), paramsAndMembers(way, one)]) {
      if (params === undefined) continue
      const { text, head } = await peer.ask('test/mirror', params)
      if (text !== `${head}${oneLine(params)}}`) changed.push(`${one.name} ${text.slice(0, 200)}`)
    }
  }
  t.equal(listed(changed), '', 'in requests and responses')
}

/** The server sends a request with each text, and the client responds with the same text. */
async function validTextsCrossBack(t: Test, way: Way): Promise<void> {
  const peer = new Peer(way)
  const changed: string[] = []
  const responses: string[] = []
  for (const [n, one] of valid.entries()) {
    const params = paramsOf(way, one)
    const head = `{"jsonrpc":"2.0","id":"q${n}"`
    const request = oneLine(join(head, ',"method":"test/question","params":', params, '}'))
    const arrived = way.received.withId(`q${n}`)
    await peer.order('test/say', join(request))
    if ((await arrived) !== request) changed.push(`request: ${one.name}`)
    const response = join(oneLine(join(head, ',"result":', params, '}')))
    await way.send(response, '')
    responses.push(response.toString('latin1'))
  }
  const lines = new Set(await peer.receivedByServer())
  changed.push(...responses.filter((line) => !lines.has(line)))
  t.equal(listed(changed), '', 'in requests of the server and responses to them')
}

/** The client sends invalid messages. */
async function invalidTextsAreRefused(t: Test, way: Way): Promise<void> {
  const peer = new Peer(way)
  const wrong: string[] = []
  const check = async (about: string, bytes: Buffer, codes: number[]): Promise<void> => {
    const before = way.received.texts.length
    const http = await way.send(bytes, 'test/mirror')
    // On stdio, the errors have come before the response to a later request.
    if (http === undefined) await peer.order('test/answer', join('{}'))
    const texts = http === undefined ? way.received.texts.slice(before, -1) : [http.text]
    const errors = texts.map((text) => JSON.parse(text))
    const areErrors = errors.every(
      ({ jsonrpc, error }) => jsonrpc === '2.0' && codes.includes(error?.code)
    )
    // On stdio, a blank line is no message, and there is no response to a response.
    const isSilent = http === undefined && (isBlank(bytes) || about.startsWith('result'))
    if (!areErrors || (errors.length === 0 && !isSilent) || (http && http.status !== 400)) {
      wrong.push(`${about} (${http?.status} ${texts.join(' ')})`)
    }
  }
  const mark = '"mark":"from the client"'
  // On stdio, a line of a text can be JSON, but no message.
  const codes = way.isStdio ? [-32700, -32600] : [-32700]
  for (const one of invalid) {
    const params = paramsOf(way, one)
    const request = join(
      `{"jsonrpc":"2.0",${mark},"id":9,"method":"test/mirror","params":`,
      params,
      '}'
    )
    await check(`params: ${one.name}`, request, codes)
    const response = join(`{"jsonrpc":"2.0",${mark},"id":9,"result":`, params, '}')
    await check(`result: ${one.name}`, response, codes)
    await check(`whole: ${one.name}`, one.bytes, [-32700, -32600])
  }
  for (const { name, bytes } of valid) {
    await check(`whole: ${name}`, way.isStdio ? join(oneLine(bytes)) : bytes, [-32600])
  }
  t.equal(listed(wrong), '', 'each gets an error')
  const lines = await peer.receivedByServer()
  const bodies = new Set([...invalid, ...valid].map(({ bytes }) => bytes.toString('latin1')))
  const forwarded = lines.filter((line) => line.includes(mark) || bodies.has(line))
  t.equal(listed(forwarded), '', 'none reaches the server')
}

/** The server sends invalid messages. */
async function invalidTextsDoNotArrive(t: Test, way: Way): Promise<void> {
  const peer = new Peer(way)
  const wrong: string[] = []
  for (const one of invalid) {
    const { text } = await peer.order(
      'test/answer',
      join('{"mark":"from the server","v":', one.bytes, '}')
    )
    const isError = text.startsWith('{') && typeof JSON.parse(text).error?.code === 'number'
    if (!isError) wrong.push(`result: ${one.name} ${text}`)
  }
  for (let at = 0; at < invalid.length; at += 20) {
    const said = invalid
      .slice(at, at + 20)
      .flatMap(({ bytes }) => [
        join(
          '{"jsonrpc":"2.0","method":"test/said","params":{"mark":"from the server","v":',
          bytes,
          '}}'
        ),
        bytes
      ])
    const { text, head } = await peer.order('test/say', ...said)
    if (!text.startsWith(head)) wrong.push(`messages from ${at}: ${text}`)
  }
  t.equal(
    listed(wrong),
    '',
    'each call with an invalid result gets an error, other calls their result'
  )
  const arrived = way.received.texts.filter((text) => text.includes('"mark":"from the server"'))
  t.equal(listed(arrived), '', 'none reaches the client')
}

for (const [name, open] of Object.entries(ways)) {
  t.test(name, async (t) => {
    const way = await open(t)
    await validTextsCross(t, way)
    if (way.hasSession) await validTextsCrossBack(t, way)
    await invalidTextsAreRefused(t, way)
    await invalidTextsDoNotArrive(t, way)
  })
}
