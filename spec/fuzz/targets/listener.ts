// The HTTP listener, over raw sockets. Beside the hostile client there are two victims, one over
// Streamable HTTP and one over HTTP+SSE: each must stay alone in its session, and get its responses all
// the time. A listener asks for tokens. There the hostile client has a token of its own, and knows the
// sessions of the victims.

import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { httpClient, sseClient } from '../../../fixtures/clients/raw.js'
import type { HttpClient, SseClient } from '../../../fixtures/clients/raw.js'
import { listen } from '../../../lib/http-server/listener.ts'
import type { Listener } from '../../../lib/http-server/listener.ts'
import { ProxyError } from '../../../lib/errors.ts'
import { join } from '../../../lib/proxy/join.ts'
import { requests, sessionMark, sseVictimMark, tokenMark, victimMark } from '../inputs/http.ts'
import { expect, target } from '../target.ts'
import type { Target } from '../target.ts'
import { EchoServer } from './echo-server.ts'

const secret = 'what-only-the-victim-knows'

const kinds = ['stateless', 'tokens', 'sessions', 'sessions'] as const
type Kind = (typeof kinds)[number]

interface Served {
  listener: Listener
  victim: HttpClient
  sseVictim: SseClient | undefined
  victimServers: EchoServer[]
  attacker: HttpClient
  /** The principals of all clients but the victims. */
  principals: Set<string | undefined>
  inputs: number
}

const open = new Map<Kind, Promise<Served>>()

const owners: Record<string, string> = { 'token-v': 'victim', 'token-a': 'attacker' }

async function serve(kind: Kind): Promise<Served> {
  const servers: EchoServer[] = []
  const principals = new Set<string | undefined>()
  const onClient = (
    client: Duplex,
    context: { kind: string; principal?: string | undefined }
  ): void => {
    // A server of one era refuses the clients of the other with this error.
    if (context.kind === 'modern' && servers.length % 7 === 6)
      throw new ProxyError('ERR_LEGACY_SERVER', 'no')
    if (servers.length >= 2) principals.add(context.principal)
    const server = new EchoServer(servers.length < 2 ? secret : '')
    if (servers.length < 100) servers.push(server)
    join(client, server).catch(() => {})
  }
  // Sessions that the inputs open must end soon, or there would be too many.
  const limits = { detachedTimeout: 300, sessionTimeout: 60_000, streamAfter: 20 }
  const check = (token: string): { principal: string } | undefined =>
    token in owners ? { principal: owners[token] as string } : undefined
  const auth = kind === 'tokens' && { auth: { check } }
  const listener = await listen({ stateless: kind === 'stateless', ...limits, ...auth }, onClient)
  const headersOf = (token: string): { headers?: Record<string, string> } =>
    auth ? { headers: { authorization: `Bearer ${token}` } } : {}
  const client = (token: string): HttpClient =>
    httpClient(new URL('mcp', listener.url), headersOf(token))
  const victim = client('token-v')
  await victim.initialize()
  await victim.openGet().catch(() => {})
  const sseVictim =
    kind === 'stateless'
      ? undefined
      : await sseClient(new URL('sse', listener.url), headersOf('token-v'))
  await sseVictim?.initialize()
  const victimServers = servers.slice(0, 2)
  principals.clear()
  const attacker = client('token-a')
  await attacker.initialize()
  await attacker.openGet().catch(() => {})
  return {
    listener,
    victim,
    sseVictim,
    victimServers,
    attacker,
    principals,
    inputs: 0
  }
}

/** The id of an HTTP+SSE session, in the address of its POSTs. */
const sessionOf = ({ endpoint }: SseClient): string | null =>
  new URL(endpoint).searchParams.get('session_id')

const openOne = (kind: Kind): Promise<Served> => {
  const served = open.get(kind) ?? serve(kind)
  open.set(kind, served)
  return served
}

/** How long the listener may take to answer and close before the client leaves, in ms. */
const patience = 30

interface Output {
  kind: Kind
  text: string
  received: string[]
  principals: (string | undefined)[]
}

export const listener: Target = target<Output>({
  name: 'listener',
  share: 4,
  waits: true,
  make: requests,
  async run(input) {
    const kind = kinds[input.length & 3] as Kind
    const served = await openOne(kind)
    const { victim, sseVictim, attacker, principals } = served
    const { port, hostname } = new URL(served.listener.url)
    // Without tokens, the id of a session is the only secret.
    const isKnown = kind === 'tokens'
    const marks = {
      [sessionMark]: attacker.sessionId ?? 'none',
      [tokenMark]: 'token-a',
      [victimMark]: (isKnown && victim.sessionId) || 'none',
      [sseVictimMark]: (isKnown && sseVictim && sessionOf(sseVictim)) || 'none'
    }
    let written = input.toString('latin1')
    for (const [mark, value] of Object.entries(marks)) written = written.replaceAll(mark, value)
    const bytes = Buffer.from(written, 'latin1')
    const socket = connect(Number(port), hostname)
    let text = ''
    socket
      .setEncoding('latin1')
      .on('data', (chunk: string) => (text += chunk))
      .on('error', () => {})
    const closed = new Promise((resolve) => socket.once('close', resolve))
    const half = bytes.length >> 1
    socket.write(bytes.subarray(0, half))
    socket.end(bytes.subarray(half))
    const patient = new AbortController()
    await Promise.race([
      closed,
      sleep(patience, undefined, { signal: patient.signal }).catch(() => {})
    ])
    patient.abort()
    socket.destroy()
    if (kind !== 'stateless' && ++served.inputs % 20 === 0) {
      for (const client of [victim, sseVictim]) {
        const response = await client?.request('ping')
        if (response?.result?.mark !== secret)
          throw new Error(`the victim gets ${JSON.stringify(response)}`)
      }
    }
    const received = served.victimServers.flatMap((server) => server.received.splice(0))
    return { kind, text, received, principals: [...principals] }
  },
  compare(_input, { kind, text, received, principals }) {
    if (kind === 'stateless') return
    expect(!text.includes(secret), 'the client gets what belongs to the victim')
    for (const message of received) {
      const known = /"method":"(initialize|notifications\/initialized|ping)"/.test(message)
      expect(known && message.length < 300, `the server of the victim gets ${message}`)
    }
    const principal = kind === 'tokens' ? 'attacker' : undefined
    for (const other of principals) expect(other === principal, `a client is ${other}`)
  },
  async close() {
    for (const served of open.values()) {
      const { listener, victim, sseVictim, attacker } = await served
      for (const client of [victim, sseVictim, attacker]) client?.close()
      await listener.close(0)
    }
  }
})
