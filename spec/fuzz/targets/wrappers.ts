// The wrappers, between clients and a server in memory that both send hostile messages. A client must
// not get what belongs to another client, its last request must get a response, and everything must
// close.
//
// An input is a schedule. Its first line names the wrapper. Each other line begins with what acts:
//   0, 1, 2   the client with this number sends the rest of the line
//   S         the server sends the rest of the line. § is the id of a request that waits
//   A         the server answers all requests that wait
//   X, Y      the server dies; the first client leaves
// `owner` in the params of a request names the client. The server repeats it in its response.

import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { asLegacy } from '../../../lib/era/as-legacy.ts'
import { asModern } from '../../../lib/era/as-modern.ts'
import { scalarAt } from '../../../lib/json/find-value.ts'
import type { Frame } from '../../../lib/message/frame.ts'
import { jsonOf } from '../../../lib/message/id.ts'
import { parseFrame } from '../../../lib/message/parse-frame.ts'
import { reconnect } from '../../../lib/wrappers/reconnect.ts'
import { shareSessions } from '../../../lib/wrappers/share-sessions.ts'
import { share } from '../../../lib/wrappers/share.ts'
import { meta } from '../../modern.ts'
import type { Random } from '../../interop/random-json.ts'
import { below, chance, pick, size } from '../inputs/bytes.ts'
import { randomMessage } from '../inputs/messages.ts'
import { attempt, expect, target } from '../target.ts'
import type { Target } from '../target.ts'

type Callback = (error?: Error | null) => void

const legacyResult = '"protocolVersion":"2025-11-25","serverInfo":{"name":"s","version":"1"}'
const capabilities = '"capabilities":{"tools":{},"resources":{"subscribe":true},"logging":{}}'
const discovered = `{"resultType":"complete","supportedVersions":["2026-07-28"],${capabilities},"ttlMs":0,"cacheScope":"public"}`

class Server extends Duplex {
  /** The requests that have no response, by the JSON text of their id. */
  readonly waiting = new Map<string, string>()
  /** Who sent each request. */
  readonly owners = new Map<string, string>()
  isPrompt = false
  fault: string | undefined

  constructor() {
    super({ objectMode: true })
    this.on('error', () => {})
  }

  say(text: string): void {
    const read = attempt(() => parseFrame(Buffer.from(text)))
    // A text that is no frame would not leave the framing either.
    if ('value' in read && !this.destroyed) this.push(read.value)
  }

  answerAll(): void {
    for (const [id, owner] of this.waiting) {
      this.say(`{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","owner":"${owner}"}}`)
    }
    this.waiting.clear()
  }

  override _read(): void {}

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    callback()
    const id = jsonOf(frame.id)
    if (frame.method === 'initialize') {
      this.say(`{"jsonrpc":"2.0","id":${id},"result":{${legacyResult},${capabilities}}}`)
    } else if (frame.method === 'server/discover') {
      this.say(`{"jsonrpc":"2.0","id":${id},"result":${discovered}}`)
    } else if (frame.kind === 'request') {
      const owner = /"owner":"(client-\d)"/.exec(String(frame))?.[1] ?? ''
      this.owners.set(id, owner)
      this.waiting.set(id, owner)
      if (this.isPrompt) this.answerAll()
    } else if (frame.method === 'notifications/cancelled') {
      const owner = /"owner":"(client-\d)"/.exec(String(frame))?.[1]
      const asked = this.owners.get(JSON.stringify(scalarAt(frame.bytes, ['params', 'requestId'])))
      if (owner && asked && owner !== asked) this.fault = `${owner} cancels a request of ${asked}`
    }
  }

  override _final(callback: Callback): void {
    this.push(null)
    callback()
  }
}

interface World {
  ports: Duplex[]
  destroy(): unknown
}

type Wrap = (connect: () => Server) => World

/** The server may never answer what restores a session. This must end before the wait of `lastRequest`. */
const again = (connect: () => Server): Duplex => reconnect(connect, { connectTimeout: 500 })

const three = [0, 1, 2]
const nothing = (): void => {}

const sharing: Wrap = (connect) => {
  const shared = share(connect)
  return { ports: three.map(() => shared.port(() => true)), destroy: () => shared.destroy() }
}

const wraps: Record<string, Wrap> = {
  reconnect: (connect) => ({ ports: [again(connect)], destroy: nothing }),
  share: sharing,
  'share reconnect': (connect) => {
    const shared = share(() => again(connect))
    return { ports: three.map(() => shared.port()), destroy: () => shared.destroy() }
  },
  sessions: (connect) => {
    const shared = shareSessions(() => again(connect))
    return { ports: three.map((at) => shared.port(at < 2)), destroy: () => shared.destroy() }
  },
  'as legacy': (connect) => ({ ports: [asLegacy(connect())], destroy: nothing }),
  'as modern': (connect) => {
    const modern = asModern(connect, { inputTimeout: 200, closeTimeout: 100 })
    return { ports: three.map((at) => modern.port(`user-${at}`)), destroy: () => modern.destroy() }
  }
}

const isModern = (name: string): boolean => name === 'as modern' || name.startsWith('share')

/** Marks a message as one of this client. */
const owned = (text: string, client: number): string =>
  text.replace('"params":{', `"params":{"owner":"client-${client}",`)

/** A request that every server answers. */
function ask(name: string, client: number, id: string): string {
  const params = { owner: `client-${client}`, ...(isModern(name) && { _meta: meta }) }
  return JSON.stringify({ jsonrpc: '2.0', id, method: 'prompts/list', params })
}

function schedule(random: Random): Buffer {
  const name = pick(random, Object.keys(wraps))
  const lines = [name]
  for (let left = size(random, 25); left > 0; left--) {
    const kind = random()
    const client = below(random, 3)
    if (kind < 0.15) lines.push(client + ask(name, client, `a${left}`))
    else if (kind < 0.55) lines.push(client + owned(randomMessage(random, 'client'), client))
    else if (kind < 0.85) {
      const text = randomMessage(random, 'server')
      lines.push(`S${chance(random, 0.4) ? text.replace(/"id":("a"|\d)(?=[,}])/, '"id":§') : text}`)
    } else lines.push(kind < 0.97 ? 'A' : pick(random, ['X', 'Y']))
  }
  // A message has no line breaks: randomObject makes them between tokens.
  return Buffer.from(lines.map((line) => line.replace(/[\r\n]/g, ' ')).join('\n'))
}

const initialize =
  '{"jsonrpc":"2.0","id":"first","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}'

export const wrappers: Target = target<string | undefined>({
  name: 'wrappers',
  share: 6,
  make: schedule,
  async run(input) {
    const [name = '', ...lines] = input.toString().split('\n')
    const servers: Server[] = []
    let isLast = false
    const world = (wraps[name] ?? sharing)(() => {
      const server = new Server()
      server.isPrompt = isLast
      servers.push(server)
      return server
    })
    const got: string[][] = world.ports.map(() => [])
    for (const [at, port] of world.ports.entries()) {
      port.on('data', (frame: Frame) => got[at]?.push(String(frame))).on('error', nothing)
    }
    const send = (client: number, text: string): void => {
      const port = world.ports[client]
      const read = attempt(() => parseFrame(Buffer.from(text)))
      if ('value' in read && port?.writable === true) port.write(read.value)
    }
    if (!isModern(name)) for (const at of world.ports.keys()) send(at, initialize)
    for (const line of lines) {
      const server = servers.at(-1)
      const rest = line.slice(1)
      if (/^[012]/.test(line)) send(Number(line[0]) % world.ports.length, rest)
      else if (line.startsWith('S')) {
        const [id = '1'] = server?.waiting.keys() ?? []
        if (rest.includes('"id":§')) server?.waiting.delete(id)
        server?.say(rest.replaceAll('§', () => id))
      } else if (line === 'A') for (const each of servers) each.answerAll()
      else if (line === 'X') server?.destroy()
      else if (line === 'Y') world.ports[0]?.destroy()
      await turn()
    }
    isLast = true
    for (const server of servers) {
      server.isPrompt = true
      server.answerAll()
    }
    await Promise.all(world.ports.map((_port, at) => lastRequest(world, got, name, at, send)))
    const closed = world.ports.map(async (port) => {
      if (!port.closed) await once(port, 'close')
    })
    for (const port of world.ports) port.destroy()
    await world.destroy()
    await Promise.all(closed)
    for (const server of servers) server.destroy()
    // With one port, all clients are the same one.
    if (got.length === 1) return undefined
    for (const server of servers) if (server.fault !== undefined) return server.fault
    return crossing(got)
  },
  compare(_input, fault) {
    expect(fault === undefined, fault ?? '')
  }
})

/** Resolves when the client has got the response to its last request, or its port has closed. */
async function lastRequest(
  { ports }: World,
  got: string[][],
  name: string,
  at: number,
  send: (client: number, text: string) => void
): Promise<void> {
  const port = ports[at]
  send(at, ask(name, at, `last-${at}`))
  const isAnswered = (): boolean =>
    got[at]?.some((text) => text.includes(`"id":"last-${at}"`)) === true
  // `check` ends an endless loop.
  const end = performance.now() + 9000
  while (!isAnswered() && port?.destroyed === false && port.writable && !port.readableEnded) {
    if (performance.now() > end)
      throw new Error(`hangs: no response to the last request of client ${at}`)
    await (performance.now() > end - 8900
      ? new Promise((resolve) => setTimeout(resolve, 5))
      : turn())
  }
}

/** Returns what a client has got that belongs to another one. */
function crossing(got: string[][]): string | undefined {
  for (const [at, texts] of got.entries()) {
    for (const text of texts) {
      const owner = /"owner":"client-(\d)"/.exec(text)?.[1]
      if (owner !== undefined && Number(owner) !== at) return `client ${at} gets ${text}`
    }
  }
  return undefined
}
