// What the tests of the HTTP side share: a listener whose clients are joined to servers in memory,
// which do as the test tells them.

import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Test } from 'tap'
import { httpClient, Inbox, sseClient } from '../../fixtures/clients/raw.js'
import type {
  ClientStream,
  HttpClient,
  HttpClientOptions,
  Json,
  SseClient
} from '../../fixtures/clients/raw.js'
import type { ClientContext } from '../../lib/http-server/client-context.ts'
import { listen } from '../../lib/http-server/listener.ts'
import type { Listener, ListenerOptions } from '../../lib/http-server/listener.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { join } from '../../lib/proxy/join.ts'

type Callback = (error?: Error | null) => void

/** A server in memory. It answers `initialize` and `ping`, and the test does the rest. */
export class FakeServer extends Duplex {
  /** Every message that came. */
  readonly received = new Inbox<Json>()
  readonly #answer: (message: Json, server: FakeServer) => void
  #writing: (() => void) | undefined
  #waiting: (() => void)[] = []
  #isSlow = false

  constructor(answer: (message: Json, server: FakeServer) => void = answerUsual) {
    super({ objectMode: true })
    this.#answer = answer
    // What becomes of it is told to whoever joined it.
    this.on('error', () => {})
  }

  /** Says a message; resolves when the next one can be said. */
  async say(message: object): Promise<void> {
    const pushed = this.push(makeFrame({ jsonrpc: '2.0', ...message }))
    if (!pushed) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  answer(request: Json, result: object = {}): Promise<void> {
    return this.say({ id: request.id, result })
  }

  notify(method: string, params?: object): Promise<void> {
    return this.say({ method, ...(params && { params }) })
  }

  /** The request with this method, come or to come. */
  got(method: string, id?: unknown): Promise<Json> {
    return this.received.until(
      (message) => message.method === method && (id === undefined || message.id === id)
    )
  }

  /** From now on it takes one message more and no other, until it is told to `goOn`. */
  stop(): void {
    this.#isSlow = true
  }

  goOn(): void {
    this.#isSlow = false
    this.#writing?.()
  }

  override _read(): void {
    for (const goOn of this.#waiting.splice(0)) goOn()
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    this.received.push(frame.message())
    this.#answer(frame.message(), this)
    if (this.#isSlow) this.#writing = () => callback()
    else callback()
  }

  override _final(callback: Callback): void {
    this.push(null)
    callback()
  }
}

export function answerUsual(message: Json, server: FakeServer): void {
  const { method, params } = message
  if (method === 'ping') void server.answer(message)
  if (method !== 'initialize') return
  const { protocolVersion } = params
  const serverInfo = { name: 'fake', version: '1' }
  void server.answer(message, { protocolVersion, capabilities: {}, serverInfo })
}

export interface Served {
  listener: Listener
  /** In the order in which clients came. */
  servers: Inbox<FakeServer>
  arrivals: ClientContext[]
  /** What became of each client, in the order in which they ended: an error, or nothing. */
  ended: Inbox<unknown>
  /** A client of Streamable HTTP that has not said anything. */
  client(options?: HttpClientOptions & { path?: string }): HttpClient
  /** One that is initialized, and its server. */
  session(version?: string): Promise<{ client: HttpClient; server: FakeServer }>
  sse(path?: string): Promise<{ client: SseClient; server: FakeServer }>
}

/** Listens, and joins each client to a server of its own. */
export async function serve(
  t: Test,
  options: ListenerOptions = {},
  createServer: (arrival: ClientContext) => FakeServer = () => new FakeServer()
): Promise<Served> {
  const servers = new Inbox<FakeServer>()
  const arrivals: ClientContext[] = []
  const ended = new Inbox<unknown>()
  const listener = await listen(options, (client, arrival) => {
    const server = createServer(arrival)
    servers.push(server)
    arrivals.push(arrival)
    join(client, server).then(
      () => ended.push(undefined),
      (error) => ended.push(error)
    )
  })
  t.teardown(() => listener.close(0))
  const client: Served['client'] = ({ path = 'mcp', ...more } = {}) => {
    const made = httpClient(new URL(path, listener.url), more)
    t.teardown(() => made.close())
    return made
  }
  const last = (): FakeServer => servers.at(-1) as FakeServer
  return {
    listener,
    servers,
    arrivals,
    ended,
    client,
    async session(protocolVersion = '2025-11-25') {
      const made = client()
      await made.initialize({ protocolVersion })
      return { client: made, server: last() }
    },
    async sse(path = 'sse') {
      const made = await sseClient(new URL(path, listener.url))
      t.teardown(() => made.close())
      return { client: made, server: last() }
    }
  }
}

/** Resolves to the two ends of an HTTP exchange: what a handler would get, and the client's socket. */
export async function exchangeOver(
  t: Test,
  head = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
): Promise<{ request: IncomingMessage; response: ServerResponse; socket: Socket; text: Text }> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const text = readText(socket)
  t.teardown(() => {
    socket.destroy()
    server.close()
  })
  socket.write(head)
  return new Promise((resolve) => {
    server.once('request', (request, response) => resolve({ request, response, socket, text }))
  })
}

/** What a socket brings, as text, to be waited on. */
export interface Text {
  all: string
  /** Resolves to all that came when `what` has come; or to undefined when the end came before. */
  until(what: string | RegExp): Promise<string | undefined>
  ended: Promise<void>
}

export function readText(socket: Socket): Text {
  const chunks = new Inbox<string>()
  const text: Text = {
    all: '',
    async until(what) {
      const fits = (): boolean =>
        typeof what === 'string' ? text.all.includes(what) : what.test(text.all)
      if (fits()) return text.all
      return (await chunks.until(fits)) === undefined ? undefined : text.all
    },
    ended: new Promise((resolve) => socket.once('close', () => resolve()))
  }
  socket.setEncoding('utf8').on('error', () => {})
  socket.on('data', (chunk: string) => {
    text.all += chunk
    chunks.push(chunk)
  })
  socket.on('close', () => chunks.end())
  return text
}

/** A connection to the listener on which the test writes every byte itself. */
export function rawConnection(t: Test, listener: Listener): { socket: Socket; text: Text } {
  const { port, hostname } = new URL(listener.url)
  const socket = connect(Number(port), hostname)
  t.teardown(() => socket.destroy())
  return { socket, text: readText(socket) }
}

/** The far ends of all connections to servers in this process. */
export const farEnds = new Set<Socket>()
subscribe('net.server.socket', (message) => {
  const { socket } = message as { socket: Socket }
  farEnds.add(socket.once('close', () => farEnds.delete(socket)))
})

/** Breaks a stream, and resolves when the far end has noticed. */
export async function breakOff(stream: ClientStream): Promise<void> {
  const { localPort } = stream.response.socket
  const farEnd = [...farEnds].find(({ remotePort }) => remotePort === localPort) as Socket
  stream.close()
  await once(farEnd, 'close')
  await turn()
}

/** Looks again and again, for what is no event. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5)
}

/** Resolves to what `value` gives once it has given the same for a while: something has come to a stop. */
export async function settled(value: () => number): Promise<number> {
  for (let last = NaN; ;) {
    const now = value()
    if (now === last) return now
    last = now
    await sleep(250)
  }
}

setFlagsFromString('--expose-gc')
export const collectGarbage = runInNewContext('gc') as () => void

/** How many timers keep this process going. */
export const countTimers = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

export const json = (message: object): string => JSON.stringify({ jsonrpc: '2.0', ...message })

export const initialize = {
  id: 0,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1' }
  }
}
