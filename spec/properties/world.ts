// Clients and servers in memory, with the proxy between them, and random schedules of what they do. A
// run returns everything that was sent and received, and each property looks at one side of it.

import { once } from 'node:events'
import { Duplex, PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { asLegacy } from '../../lib/era/as-legacy.ts'
import { asModern } from '../../lib/era/as-modern.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { jsonOf } from '../../lib/message/id.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { join, joinPort } from '../../lib/proxy/join.ts'
import { acceptStdio } from '../../lib/stdio/accept-stdio.ts'
import { reconnect } from '../../lib/wrappers/reconnect.ts'
import { shareSessions } from '../../lib/wrappers/share-sessions.ts'
import { share } from '../../lib/wrappers/share.ts'
import { initializeParams } from '../helpers.ts'
import { randomFrom, randomObject } from '../interop/random-json.ts'
import { meta } from '../modern.ts'

/** How the clients get to their servers. */
export const services = [
  'joined',
  'reconnect',
  'share',
  'sessions',
  'as modern',
  'as legacy'
] as const
export type Service = (typeof services)[number]

/** Whether each client has its own server. */
export const ownsServer = (service: Service): boolean =>
  service === 'joined' || service === 'reconnect' || service === 'as legacy'

/** Whether the clients and the servers are of different eras. */
export const isTranslated = (service: Service): boolean => service.startsWith('as ')

/** Whether the clients are of 2026-07-28. */
const hasModernClients = (service: Service): boolean =>
  service === 'share' || service === 'as modern'

/** One thing that happens. Numbers choose a client, a server, a waiting request, or the contents. */
export type Step =
  | { act: 'call'; client: number; seed: number }
  | { act: 'answer'; server: number; which: number; seed: number }
  | { act: 'notify'; server: number; seed: number }
  | { act: 'die'; server: number }
  | { act: 'leave'; client: number }
  | { act: 'turn' }

const index = fc.nat(2)
const seed = fc.nat()

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ act: fc.constant('call' as const), client: index, seed }) },
  {
    weight: 6,
    arbitrary: fc.record({
      act: fc.constant('answer' as const),
      server: index,
      which: fc.nat(9),
      seed
    })
  },
  { weight: 4, arbitrary: fc.record({ act: fc.constant('notify' as const), server: index, seed }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant('turn' as const) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('die' as const), server: index }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('leave' as const), client: index }) }
)

export const schedules = fc.array(step, { maxLength: 40 })

/** A server that dies more often ends its session. */
const maxDeaths = 3

export interface Call {
  client: number
  number: number
  /** The id as JSON text. */
  id: string
  text: string
}

export interface World {
  service: Service
  calls: Call[]
  /** The lines that each client got. */
  lines: string[][]
  /** The texts of the messages that each server got. */
  received: string[][]
  /** The result that a server gave to a call, as JSON text, by client and number. */
  results: Map<string, string>
  /** The texts of the notifications that each server sent. */
  notifications: string[][]
  /** The clients that left before the end, and those whose connection the proxy ended. */
  left: Set<number>
  /** What did not end in time. */
  hanging: string[]
}

/** A text of JSON on one line. */
export const contents = (seed: number): string =>
  randomObject(randomFrom(seed), seed % 400).replace(/[\r\n]/g, ' ')

const legacyResult =
  '{"protocolVersion":"2025-11-25","capabilities":{"logging":{}},"serverInfo":{"name":"s","version":"1"}}'

const discovered =
  '{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"logging":{}},"ttlMs":0,"cacheScope":"public"}'

export class Server extends Duplex {
  readonly waiting: { id: string; key: string }[] = []
  readonly texts: string[] = []
  readonly notifications: string[] = []
  isPrompt = false
  readonly #world: Pick<World, 'received' | 'notifications' | 'results'>

  constructor(world: Pick<World, 'received' | 'notifications' | 'results'>) {
    super({ objectMode: true })
    this.#world = world
    this.on('error', () => {})
    world.received.push(this.texts)
    world.notifications.push(this.notifications)
  }

  say(text: string): void {
    if (!this.destroyed) this.push(parseFrame(Buffer.from(text)))
  }

  answer(which: number, seed: number): void {
    const [request] = this.waiting.splice(which % Math.max(1, this.waiting.length), 1)
    if (request === undefined) return
    const result = `{"resultType":"complete","of":"${request.key}","x":${contents(seed)}}`
    this.#world.results.set(request.key, result)
    this.say(`{"jsonrpc":"2.0","id":${request.id},"result":${result}}`)
  }

  notify(seed: number): void {
    const number = this.notifications.length
    const server = this.#world.notifications.indexOf(this.notifications)
    const params = `{"level":"info","server":${server},"number":${number},"x":${contents(seed)}}`
    const text = `{"jsonrpc":"2.0","method":"notifications/message","params":${params}}`
    if (this.destroyed) return
    this.notifications.push(text)
    this.say(text)
  }

  override _read(): void {}

  override _write(frame: Frame, _encoding: BufferEncoding, callback: () => void): void {
    callback()
    const id = jsonOf(frame.id)
    const text = String(frame)
    if (frame.method === 'initialize')
      this.say(`{"jsonrpc":"2.0","id":${id},"result":${legacyResult}}`)
    if (frame.method === 'server/discover')
      this.say(`{"jsonrpc":"2.0","id":${id},"result":${discovered}}`)
    const key = /"key":"(\d-\d+)"/.exec(text)?.[1]
    if (key === undefined) return
    this.texts.push(text)
    this.waiting.push({ id, key })
    if (this.isPrompt) this.answer(0, 1)
  }

  override _final(callback: () => void): void {
    this.push(null)
    callback()
  }
}

interface Client {
  input: PassThrough
  transport: Duplex
  lines: string[]
  ended: Promise<unknown>
  hasEnded: boolean
}

/** How long the proxy may take to end something, in ms. */
const patience = 5000

/** Runs a schedule, then lets everything end. */
export async function run(service: Service, steps: readonly Step[]): Promise<World> {
  const world: World = {
    service,
    calls: [],
    lines: [],
    received: [],
    results: new Map(),
    notifications: [],
    left: new Set(),
    hanging: []
  }
  const servers: Server[] = []
  let isPrompt = false
  /** The server of each client, or the only one. It is replaced when it dies. */
  const current = new Map<number, Server>()
  const connect = (place: number) => (): Server => {
    const server = new Server(world)
    server.isPrompt = isPrompt
    servers.push(server)
    current.set(place, server)
    return server
  }
  const shared =
    service === 'share'
      ? share(() => reconnect(connect(0)))
      : service === 'sessions'
        ? shareSessions(() => reconnect(connect(0)))
        : service === 'as modern'
          ? asModern(() => reconnect(connect(0)))
          : undefined
  const clients = [0, 1, 2].map((at) => {
    const client = open(at)
    world.lines.push(client.lines)
    return client
  })

  function open(at: number): Client {
    const input = new PassThrough()
    const output = new PassThrough()
    const transport = acceptStdio({ input, output })
    const lines: string[] = []
    let rest = ''
    output.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n')
      rest = parts.pop() as string
      lines.push(...parts)
    })
    if (shared !== undefined) joinPort(transport, shared.port())
    else {
      const own = service === 'joined' ? connect(at)() : reconnect(connect(at))
      const server = service === 'as legacy' ? asLegacy(own) : own
      join(transport, server).catch(() => {})
    }
    const client: Client = { input, transport, lines, ended: Promise.resolve(), hasEnded: false }
    client.ended = new Promise<void>((resolve) => {
      transport.once('close', () => {
        client.hasEnded = true
        resolve()
      })
    })
    transport.on('error', () => {})
    if (!hasModernClients(service)) {
      input.write(
        `${JSON.stringify({ jsonrpc: '2.0', id: 'first', method: 'initialize', params: initializeParams })}\n`
      )
    }
    return client
  }

  let deaths = 0
  for (const step of steps) {
    const server = current.get(shared === undefined && 'server' in step ? step.server : 0)
    if (step.act === 'turn') await turn()
    else if (step.act === 'call') call(step.client, step.seed)
    else if (step.act === 'answer') server?.answer(step.which, step.seed)
    else if (step.act === 'notify') server?.notify(step.seed)
    else if (step.act === 'die') {
      if (server?.destroyed === false && ++deaths <= maxDeaths) server.destroy(new Error('died'))
    } else {
      world.left.add(step.client)
      clients[step.client]?.transport.destroy()
    }
  }

  function call(client: number, seed: number): void {
    if (world.left.has(client)) return
    const number = world.calls.length
    // Some ids are numbers that JavaScript cannot hold.
    const id = seed % 3 === 0 ? `90071992547409${93 + number}` : `"${number}"`
    const modern = hasModernClients(service) ? `,"_meta":${JSON.stringify(meta)}` : ''
    const params = `{"name":"a","key":"${client}-${number}","x":${contents(seed)}${modern}}`
    const text = `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}`
    world.calls.push({ client, number, id, text })
    clients[client]?.input.write(`${text}\n`)
  }

  isPrompt = true
  for (const server of servers) {
    server.isPrompt = true
    while (server.waiting.length > 0) server.answer(0, 1)
  }
  await waitUntil(() =>
    clients.every((client, at) => client.hasEnded || world.left.has(at) || isAnswered(world, at))
  )
  for (const [at, client] of clients.entries()) if (client.hasEnded) world.left.add(at)
  for (const client of clients) client.input.end()
  await waitUntil(() => clients.every(({ hasEnded }) => hasEnded))
  for (const [at, { hasEnded }] of clients.entries())
    if (!hasEnded) world.hanging.push(`client ${at}`)
  for (const client of clients) client.transport.destroy()
  await shared?.destroy()
  // A server whose client has left must have been ended.
  await waitUntil(() => servers.every(({ destroyed }) => destroyed))
  for (const [at, server] of servers.entries()) {
    if (!server.destroyed) world.hanging.push(`server ${at}`)
    server.destroy()
    if (!server.closed) await once(server, 'close')
  }
  return world
}

/** Waits for a condition, but not for ever. */
export async function waitUntil(condition: () => boolean): Promise<void> {
  const end = performance.now() + patience
  for (let turns = 0; !condition() && performance.now() < end; turns++) {
    await (turns < 50 ? turn() : new Promise((resolve) => setTimeout(resolve, 5)))
  }
}

/** The responses in the lines of a client, by the JSON text of their id. */
export function responsesTo(world: Pick<World, 'lines'>, client: number, id: string): string[] {
  const start = `{"jsonrpc":"2.0","id":${id},`
  return (world.lines[client] ?? []).filter(
    (line) => line.startsWith(start) && /^(result|error)"/.test(line.slice(start.length + 1))
  )
}

const isAnswered = (world: World, client: number): boolean =>
  world.calls.every(
    (call) => call.client !== client || responsesTo(world, client, call.id).length > 0
  )
