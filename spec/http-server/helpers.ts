// What the tests of the HTTP server share: a listener that joins each client to a server in memory,
// which the test controls.

import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
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
import { HttpRequest } from '../../lib/http-server/request/http-request.ts'
import { HttpResponse } from '../../lib/http-server/request/http-response.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { join } from '../../lib/proxy/join.ts'

export { until } from '../helpers.ts'

type Callback = (error?: Error | null) => void

/** A server in memory. It responds to `initialize` and `ping`, and the test does the rest. */
export class FakeServer extends Duplex {
  /** Every message that the server has received. */
  readonly received = new Inbox<Json>()
  readonly #respond: (message: Json, server: FakeServer) => void
  #writing: (() => void) | undefined
  #waiting: (() => void)[] = []
  #isSlow = false

  constructor(respond: (message: Json, server: FakeServer) => void = respondAsUsual) {
    super({ objectMode: true })
    this.#respond = respond
    // `join` reports errors.
    this.on('error', () => {})
  }

  /** Sends a message. Resolves when the server can send the next one. */
  async say(message: object): Promise<void> {
    const pushed = this.push(makeFrame({ jsonrpc: '2.0', ...message }))
    if (!pushed) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  respond(request: Json, result: object = {}): Promise<void> {
    return this.say({ id: request.id, result })
  }

  notify(method: string, params?: object): Promise<void> {
    return this.say({ method, ...(params && { params }) })
  }

  /** Resolves to the request with this method, which may have come already. */
  got(method: string, id?: unknown): Promise<Json> {
    return this.received.until(
      (message) => message.method === method && (id === undefined || message.id === id)
    )
  }

  /** Takes one more message, and then none until `goOn`. */
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
    this.#respond(frame.message(), this)
    if (this.#isSlow) this.#writing = () => callback()
    else callback()
  }

  override _final(callback: Callback): void {
    this.push(null)
    callback()
  }
}

export function respondAsUsual(message: Json, server: FakeServer): void {
  const { method, params } = message
  if (method === 'ping') void server.respond(message)
  if (method !== 'initialize') return
  const { protocolVersion } = params
  const serverInfo = { name: 'fake', version: '1' }
  void server.respond(message, { protocolVersion, capabilities: {}, serverInfo })
}

export interface Served {
  listener: Listener
  /** One for each client, in the order of the clients. */
  servers: Inbox<FakeServer>
  contexts: ClientContext[]
  /** The error or `undefined` with which each client ended, in the order of the ends. */
  ended: Inbox<unknown>
  /** A client of Streamable HTTP that has sent nothing. */
  client(options?: HttpClientOptions & { path?: string }): HttpClient
  /** An initialized client, and its server. */
  session(version?: string): Promise<{ client: HttpClient; server: FakeServer }>
  sse(path?: string): Promise<{ client: SseClient; server: FakeServer }>
}

/** Listens, and joins each client to a new server. */
export async function serve(
  t: Test,
  options: ListenerOptions = {},
  createServer: (context: ClientContext) => FakeServer = () => new FakeServer()
): Promise<Served> {
  const servers = new Inbox<FakeServer>()
  const contexts: ClientContext[] = []
  const ended = new Inbox<unknown>()
  const listener = await listen(options, (client, context) => {
    const server = createServer(context)
    servers.push(server)
    contexts.push(context)
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
    contexts,
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

/** Sends a request without a body. Resolves to the head of the response. */
export async function sendRequest(
  t: Test,
  listener: Listener,
  method: string,
  path: string,
  headers: Record<string, string> = {}
): Promise<IncomingMessage> {
  const client = httpClient(new URL(path, listener.url))
  t.teardown(() => client.close())
  const response = await client.open(method, undefined, headers)
  response.resume()
  return response
}

/** Resolves to the status and the JSON at a path. */
export async function getJson(
  t: Test,
  listener: Listener,
  path: string
): Promise<[number, unknown]> {
  const client = httpClient(new URL(path, listener.url))
  t.teardown(() => client.close())
  const response = await client.open('GET')
  const text = (await response.setEncoding('utf8').toArray()).join('')
  return [response.statusCode ?? 0, JSON.parse(text)]
}

/** Sends the head of a request. Resolves to what a request listener gets, and to the client's socket. */
export async function receiveRequest(
  t: Test,
  head = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
): Promise<{
  server: Server
  request: IncomingMessage
  response: HttpResponse
  socket: Socket
  text: Text
}> {
  const server = createServer({ IncomingMessage: HttpRequest, ServerResponse: HttpResponse })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const text = readText(socket)
  t.teardown(() => {
    socket.destroy()
    server.close()
  })
  socket.write(head)
  return new Promise((resolve) => {
    server.once('request', (request, response) =>
      resolve({ server, request, response, socket, text })
    )
  })
}

/** The text that a socket has received. */
export interface Text {
  all: string
  /** Resolves to the whole text when `what` has come, or to undefined if the socket closed before. */
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

/** A connection to the listener. The test writes the bytes of the requests. */
export function rawConnection(t: Test, listener: Listener): { socket: Socket; text: Text } {
  const { port, hostname } = new URL(listener.url)
  const socket = connect(Number(port), hostname)
  t.teardown(() => socket.destroy())
  return { socket, text: readText(socket) }
}

/** The server's ends of all connections in this process. */
export const farEnds = new Set<Socket>()
subscribe('net.server.socket', (message) => {
  const { socket } = message as { socket: Socket }
  farEnds.add(socket.once('close', () => farEnds.delete(socket)))
})

/** Breaks a stream. Resolves when the server's end has closed. */
export async function breakOff(stream: ClientStream): Promise<void> {
  const { localPort } = stream.response.socket
  const farEnd = [...farEnds].find(({ remotePort }) => remotePort === localPort) as Socket
  stream.close()
  await once(farEnd, 'close')
  await turn()
}

/** Resolves to a value that has stopped changing. */
export async function settled(value: () => number): Promise<number> {
  for (let last = NaN; ;) {
    const now = value()
    if (now === last) return now
    last = now
    await sleep(250)
  }
}

/** How many timers keep this process alive. */
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
