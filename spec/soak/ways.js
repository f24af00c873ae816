// The proxies of a soak, and the ways in which its clients reach servers through them.

import { mkdirSync } from 'node:fs'
import {
  ModernClient,
  ModernStdioClient,
  SessionClient,
  SseClient,
  StatelessClient,
  StdioClient
} from '../../fixtures/tracked/clients.js'
import { Remote } from '../../fixtures/tracked/remote.js'
import { Cell, pathOf } from '../faults/cell.js'

const probe = pathOf('fixtures/tracked/probe.cjs')

/**
 * Starts all proxies. Returns { cell, ways, remote, servers }. A way is { name, open, can }: `open`
 * resolves to a client with a session, and `can` says what works there: `ask`, `update`, `die` (the
 * server may die, because it is not shared), `vanish`. Clients of client mode live as long as the soak.
 * `servers` has the URL of each server mode, and how many sessions stay open at it.
 */
export async function startAll() {
  const flags = () => [
    '--detached-timeout',
    '1s',
    '--session-timeout',
    '5s',
    '--max-sessions',
    '1000',
    // The events that the session of `both` keeps have reached their limit after the first third.
    '--max-replay',
    '64k'
  ]
  const cell = new Cell({}, { flags, env: { NODE_OPTIONS: `--require ${probe}` } })
  cell.probes = `${cell.directory}/probes`
  mkdirSync(cell.probes)
  cell.options.env.PROBE_DIRECTORY = cell.probes
  const [legacy, modern] = [cell.serverArgs('legacy'), cell.serverArgs('modern')]
  const own = await cell.serve(legacy)
  const shared = await cell.serve(legacy, { flags: ['--shared'] })
  const stateless = await cell.serve(legacy, { flags: ['--stateless'] })
  const modernServer = await cell.serve(modern)
  const remote = await new Remote(cell.ledger.note).up()

  const over = (Client, url, can) => ({ open: () => open(new Client(url)), can })
  const all = { ask: true, update: true, die: true, vanish: true }
  const ways = {
    sessions: over(SessionClient, `${own}/mcp`, all),
    sse: over(SseClient, `${own}/sse`, all),
    'to-legacy': over(ModernClient, `${own}/mcp`, { ask: true, vanish: true }),
    shared: over(SessionClient, `${shared}/mcp`, { vanish: true }),
    'shared-sse': over(SseClient, `${shared}/sse`, { vanish: true }),
    stateless: over(StatelessClient, `${stateless}/mcp`, { vanish: true }),
    modern: over(ModernClient, `${modernServer}/mcp`, { ask: true, vanish: true }),
    'to-modern': over(SessionClient, `${modernServer}/mcp`, { ...all, die: true })
  }
  const start = (Client, url) => cell.start(Client, url)
  const longLived = {
    client: () => start(StdioClient, remote.url),
    'client-sse': () => start(StdioClient, remote.sseUrl),
    'client-modern': () => start(ModernStdioClient, remote.url),
    both: () => start(StdioClient, `${own}/mcp`)
  }
  for (const [name, make] of Object.entries(longLived)) {
    const client = await open(make())
    cell.clients.push(client)
    ways[name] = {
      open: () => client,
      isLongLived: true,
      isRemote: name !== 'both',
      client,
      can: {}
    }
  }
  const names = ['own', 'shared', 'stateless', 'modern', ...Object.keys(longLived)]
  for (const [i, proxy] of cell.proxies.entries()) proxy.name = names[i]
  // The client of `both` keeps its session.
  const servers = new Map(
    [own, shared, stateless, modernServer].map((url) => [url, url === own ? 1 : 0])
  )
  return { cell, ways, remote, servers }
}

function open(client) {
  client.capabilities = { elicitation: {} }
  return client.open()
}
