// The HTTP listener, over raw sockets. Beside the hostile client there is a victim with a session: it
// must stay alone in its session, and get its responses all the time.

import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { httpClient } from '../../../fixtures/clients/raw.js'
import type { HttpClient } from '../../../fixtures/clients/raw.js'
import { listen } from '../../../lib/http-server/listener.ts'
import type { Listener } from '../../../lib/http-server/listener.ts'
import { ProxyError } from '../../../lib/errors.ts'
import { join } from '../../../lib/proxy/join.ts'
import { requests, sessionMark } from '../inputs/http.ts'
import { expect, target } from '../target.ts'
import type { Target } from '../target.ts'
import { EchoServer } from './echo-server.ts'

const secret = 'what-only-the-victim-knows'

interface Served {
  listener: Listener
  victim: HttpClient
  victimServer: EchoServer
  attacker: HttpClient
  inputs: number
}

const open = new Map<boolean, Promise<Served>>()

async function serve(stateless: boolean): Promise<Served> {
  const servers: EchoServer[] = []
  const onClient = (client: Duplex, { kind }: { kind: string }): void => {
    // A server of one era refuses the clients of the other with this error.
    if (kind === 'modern' && servers.length % 7 === 6)
      throw new ProxyError('ERR_LEGACY_SERVER', 'no')
    const server = new EchoServer(servers.length === 0 ? secret : '')
    if (servers.length < 100) servers.push(server)
    join(client, server).catch(() => {})
  }
  // Sessions that the inputs open must end soon, or there would be too many.
  const limits = { detachedTimeout: 300, sessionTimeout: 5000, streamAfter: 20 }
  const listener = await listen({ stateless, ...limits, sessionTimeout: 60_000 }, onClient)
  const client = (): HttpClient => httpClient(new URL('mcp', listener.url))
  const victim = client()
  const attacker = client()
  await victim.initialize()
  await victim.openGet().catch(() => {})
  await attacker.initialize()
  await attacker.openGet().catch(() => {})
  return { listener, victim, victimServer: servers[0] as EchoServer, attacker, inputs: 0 }
}

const openOne = (stateless: boolean): Promise<Served> => {
  const served = open.get(stateless) ?? serve(stateless)
  open.set(stateless, served)
  return served
}

/** How long the listener may take to answer and close before the client leaves, in ms. */
const patience = 30

export const listener: Target = target<{ text: string; stateless: boolean; received: string[] }>({
  name: 'listener',
  share: 4,
  make: requests,
  async run(input) {
    const stateless = (input.length & 3) === 0
    const served = await openOne(stateless)
    const { port, hostname } = new URL(served.listener.url)
    const session = served.attacker.sessionId ?? 'none'
    const bytes = Buffer.from(
      input.toString('latin1').replaceAll(sessionMark, () => session),
      'latin1'
    )
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
    if (!stateless && ++served.inputs % 20 === 0) {
      const response = await served.victim.request('ping')
      if (response.result?.mark !== secret)
        throw new Error(`the victim gets ${JSON.stringify(response)}`)
    }
    return { text, stateless, received: served.victimServer.received.splice(0) }
  },
  compare(_input, { text, stateless, received }) {
    if (stateless) return
    expect(!text.includes(secret), 'the client gets what belongs to the victim')
    for (const message of received) {
      const known = /"method":"(initialize|notifications\/initialized|ping)"/.test(message)
      expect(known && message.length < 300, `the server of the victim gets ${message}`)
    }
  },
  async close() {
    for (const served of open.values()) {
      const { listener, victim, attacker } = await served
      victim.close()
      attacker.close()
      await listener.close(0)
    }
  }
})
