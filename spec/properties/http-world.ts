// Clients at the HTTP listener, with servers in memory behind it, and random schedules of what they do.
// Each client has a relay that cuts its connections. `client mode` clients use the proxy's own HTTP client,
// as in client mode, so each message passes both sides of the proxy. `raw` clients show which message came
// on which stream, and resume each stream with Last-Event-ID.

import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Duplex } from 'node:stream'
import fc from 'fast-check'
import { httpClient } from '../../fixtures/clients/raw.js'
import type { ClientStream } from '../../fixtures/clients/raw.js'
import { connectHttp } from '../../lib/http-client/connect-http.ts'
import { connectSse } from '../../lib/http-client/connect-sse.ts'
import { listen } from '../../lib/http-server/listener.ts'
import type { Listener } from '../../lib/http-server/listener.ts'
import { join, joinPort } from '../../lib/proxy/join.ts'
import { acceptStdio } from '../../lib/stdio/accept-stdio.ts'
import { reconnect } from '../../lib/wrappers/reconnect.ts'
import { share } from '../../lib/wrappers/share.ts'
import { initializeParams } from '../helpers.ts'
import { meta } from '../modern.ts'
import { Relay } from './relay.ts'
import type { Direction } from './relay.ts'
import { contents, Server, waitUntil } from './world.ts'
import type { Call } from './world.ts'

/** How the clients reach the listener. Modern clients share a server, each other one has its own. */
export const ways = ['Streamable HTTP', 'HTTP+SSE', 'modern', 'raw'] as const
export type Way = (typeof ways)[number]

/** One thing that happens. Numbers choose a client, its server, a waiting request, or the contents. */
export type Step =
  | { act: 'call'; client: number; seed: number }
  | { act: 'answer'; server: number; which: number; seed: number }
  | { act: 'notify'; server: number; seed: number }
  | { act: 'cut'; client: number; bytes: number; direction: Direction }
  | { act: 'die'; server: number }
  | { act: 'leave'; client: number }
  | { act: 'pause'; time: number }

const index = fc.nat(2)
const seed = fc.nat()
const act = <Name extends Step['act']>(name: Name): fc.Arbitrary<Name> => fc.constant(name)

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ act: act('call'), client: index, seed }) },
  {
    weight: 6,
    arbitrary: fc.record({ act: act('answer'), server: index, which: fc.nat(9), seed })
  },
  { weight: 4, arbitrary: fc.record({ act: act('notify'), server: index, seed }) },
  { weight: 4, arbitrary: fc.record({ act: act('pause'), time: fc.nat(8) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      act: act('cut'),
      client: index,
      bytes: fc.oneof(fc.constant(0), fc.nat(600)),
      direction: fc.constantFrom<Direction>('to client', 'to server')
    })
  },
  { weight: 1, arbitrary: fc.record({ act: act('die'), server: index }) },
  { weight: 1, arbitrary: fc.record({ act: act('leave'), client: index }) }
)

export const schedules = fc.array(step, { maxLength: 80, size: 'max' })

/** A server that dies more often ends its session. */
const maxDeaths = 3

export interface HttpWorld {
  way: Way
  calls: Call[]
  /** The texts of the messages that each client got. */
  lines: string[][]
  /** The same for each stream of each raw client, together with what came after the stream was resumed. */
  streams: { client: number; lines: string[] }[]
  /** The texts of the requests that each server got. */
  received: string[][]
  /** The client of each server, if it has its own. */
  owners: number[]
  results: Map<string, string>
  notifications: string[][]
  /** The clients that left before the end, and those whose session the proxy ended. */
  left: Set<number>
  /** The calls that need not get a response: the connection was cut before a stream could be resumed. */
  lost: Set<Call>
  /** What did not end in time. */
  hanging: string[]
}

interface Client {
  readonly hasEnded: boolean
  call(call: Call): void
  /** Says that no call follows. */
  end(): void
  leave(): void
}

/** Runs a schedule, then lets everything end. */
export async function run(way: Way, steps: readonly Step[]): Promise<HttpWorld> {
  const world: HttpWorld = {
    way,
    calls: [],
    lines: [[], [], []],
    streams: [],
    received: [],
    owners: [],
    results: new Map(),
    notifications: [],
    left: new Set(),
    lost: new Set(),
    hanging: []
  }
  const servers: Server[] = []
  /** The newest server of each client, or the only one. */
  const current = new Map<number, Server>()
  let isPrompt = false
  const connect = (owner: number) => (): Server => {
    const server = new Server(world)
    server.isPrompt = isPrompt
    servers.push(server)
    world.owners.push(owner)
    current.set(owner, server)
    return server
  }
  const shared = way === 'modern' ? share(() => reconnect(connect(0))) : undefined
  const options = { servers: ['0', '1', '2'], streamAfter: 2, retry: 1 }
  const listener = await listen(options, (client, { server: name }) => {
    if (shared !== undefined) joinPort(client, shared.port())
    else join(client, reconnect(connect(Number(name)))).catch(() => {})
  })
  const { port } = new URL(listener.url)
  const relays = [0, 1, 2].map(() => new Relay(Number(port)))
  const clients = await Promise.all(relays.map((relay, at) => openClient(world, at, relay)))

  let deaths = 0
  for (const step of steps) {
    const server = current.get(shared === undefined && 'server' in step ? step.server : 0)
    switch (step.act) {
      case 'call':
        call(step.client, step.seed)
        break
      case 'answer':
        server?.answer(step.which, step.seed)
        break
      case 'notify':
        server?.notify(step.seed)
        break
      case 'cut':
        relays[step.client]?.cutAfter(step.bytes, step.direction)
        break
      case 'die':
        if (server?.destroyed === false && ++deaths <= maxDeaths) server.destroy(new Error('died'))
        break
      case 'leave':
        world.left.add(step.client)
        clients[step.client]?.leave()
        break
      case 'pause':
        await sleep(step.time)
    }
  }

  function call(client: number, seed: number): void {
    if (world.left.has(client)) return
    const number = world.calls.length
    // Some ids are numbers that JavaScript cannot hold.
    const id = seed % 3 === 0 ? `90071992547409${93 + number}` : `"${number}"`
    const modern = way === 'modern' ? `,"_meta":${JSON.stringify(meta)}` : ''
    const params = `{"name":"a","key":"${client}-${number}","x":${contents(seed)}${modern}}`
    const text = `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}`
    const call = { client, number, id, text }
    world.calls.push(call)
    clients[client]?.call(call)
  }

  for (const relay of relays) relay.heal()
  isPrompt = true
  for (const server of servers) {
    server.isPrompt = true
    while (server.waiting.length > 0) server.answer(0, 1)
  }
  await waitUntil(() => world.calls.every((call) => isSettled(world, call, clients)))
  for (const [at, { hasEnded }] of clients.entries()) if (hasEnded) world.left.add(at)
  for (const client of clients) client.end()
  await waitUntil(() => clients.every(({ hasEnded }) => hasEnded))
  await close(world, { clients, relays, listener })
  await shared?.destroy()
  await waitUntil(() => servers.every(({ destroyed }) => destroyed))
  for (const [at, server] of servers.entries()) {
    if (!server.destroyed) world.hanging.push(`server ${at}`)
    server.destroy()
  }
  return world
}

async function close(
  world: HttpWorld,
  { clients, relays, listener }: { clients: Client[]; relays: Relay[]; listener: Listener }
): Promise<void> {
  for (const [at, client] of clients.entries()) {
    if (!client.hasEnded) world.hanging.push(`client ${at}`)
    client.leave()
  }
  for (const relay of relays) relay.close()
  let hasClosed = false
  void listener.close(100).then(() => (hasClosed = true))
  await waitUntil(() => hasClosed)
  if (!hasClosed) world.hanging.push('the listener')
}

/** Whether a call has what it can get. */
const isSettled = (world: HttpWorld, call: Call, clients: Client[]): boolean =>
  world.lost.has(call) ||
  world.left.has(call.client) ||
  clients[call.client]?.hasEnded === true ||
  world.lines[call.client]?.some((line) => line.startsWith(`{"jsonrpc":"2.0","id":${call.id},`)) ===
    true

async function openClient(world: HttpWorld, at: number, relay: Relay): Promise<Client> {
  const url = `http://127.0.0.1:${await relay.listen()}/servers/${at}/`
  if (world.way === 'raw') return openRaw(world, at, url)
  const client = openClientMode(world, at, url)
  if (world.way !== 'modern') await waitUntil(() => world.lines[at]?.length === 1)
  return client
}

function openClientMode({ way, lines }: HttpWorld, at: number, url: string): Client {
  const input = new PassThrough()
  const output = new PassThrough()
  const connect = (): Duplex =>
    way === 'HTTP+SSE' ? connectSse({ url: `${url}sse` }) : connectHttp({ url: `${url}mcp` })
  const transport = acceptStdio({ input, output })
  let rest = ''
  output.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() as string
    lines[at]?.push(...parts)
  })
  let hasEnded = false
  transport.on('error', () => {}).once('close', () => (hasEnded = true))
  join(transport, reconnect(connect, { remote: true })).catch(() => {})
  if (way !== 'modern') {
    const initialize = { id: 'first', method: 'initialize', params: initializeParams }
    for (const message of [initialize, { method: 'notifications/initialized' }]) {
      input.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
    }
  }
  return {
    get hasEnded() {
      return hasEnded
    },
    call: ({ text }) => void input.write(`${text}\n`),
    end: () => void input.end(),
    leave: () => void transport.destroy()
  }
}

async function openRaw(world: HttpWorld, at: number, url: string): Promise<Client> {
  const client = httpClient(`${url}mcp`)
  await client.initialize()
  const lines = world.lines[at] as string[]
  let isOver = false

  /** Reads a stream, and goes on with it when it breaks. Resolves when nothing more can come. */
  async function follow(stream: ClientStream, isComplete: () => boolean): Promise<void> {
    const own = { client: at, lines: [] as string[] }
    world.streams.push(own)
    let lastEventId: string | undefined
    for (let next: ClientStream | undefined = stream; !isOver;) {
      if (next !== undefined) {
        for await (const { data } of next) {
          if (data === undefined) continue
          lines.push(data)
          own.lines.push(data)
        }
        lastEventId = next.lastEventId ?? lastEventId
      }
      if (lastEventId === undefined || isComplete()) return
      await sleep(1)
      next = await client.openGet({ lastEventId }).catch(() => undefined)
    }
  }

  /** The stream for everything that belongs to no call. */
  async function listenForever(): Promise<void> {
    while (!isOver) {
      const stream = await client.openGet().catch(() => undefined)
      if (stream !== undefined) await follow(stream, () => false)
      await sleep(1)
    }
  }

  async function send(call: Call): Promise<void> {
    const isAnswered = (): boolean =>
      lines.some((line) => line.startsWith(`{"jsonrpc":"2.0","id":${call.id},`))
    try {
      const response = await client.open('POST', call.text)
      if (response.headers['content-type']?.startsWith('text/event-stream') === true) {
        await follow(client.stream(response), isAnswered)
      } else {
        let text = ''
        for await (const chunk of response.setEncoding('utf8')) text += String(chunk)
        lines.push(text)
      }
    } catch {
      // The connection was cut. A POST is not sent twice.
    }
    if (!isAnswered()) world.lost.add(call)
  }

  const leave = (): void => {
    isOver = true
    client.close()
  }
  void listenForever()
  return {
    get hasEnded() {
      return isOver
    },
    call: (call) => void send(call),
    end: leave,
    leave
  }
}
