// Measures the proxy beside the least that Node allows, and beside other proxies: npm run bench
//
//   npm run bench                       everything
//   npm run bench -- calls sessions     only what the words name: parts, and ways
//   npm run bench -- --peers            with other proxies, which are downloaded first
//   npm run bench -- --save             also adds to spec/bench/history.ndjson, and tells what changed
//   npm run bench -- --check            exits with 1 if a goal is missed
//   npm run bench -- --raw              small calls from bare sockets instead of fetch (see clients.js)
//   npm run bench -- --rounds 21        more of them, for figures that vary less (9)
//
// All ratios are of what was measured in the same run, in turns. What a ratio should be is in goals.js.

import { parseArgs } from 'node:util'
import { measureCalls } from './calls.js'
import { ModernClient, SessionClient, SseClient, StdioClient } from './clients.js'
import { contestantsOf, httpServer, stdioServer, without } from './contestants.js'
import { failed, printTable } from './tables.js'
import { save } from './history.js'
import { measureInstall } from './install.js'
import { measureMemory } from './memory.js'
import { measureOpening } from './opening.js'
import { within } from './patience.js'
import { installPeers } from './peers.js'
import { startServer, stop } from './processes.js'
import { measureProgress, measureSizes } from './sizes.js'
import { measureStart } from './start-up.js'

const { values, positionals: words } = parseArgs({
  options: {
    peers: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    raw: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '9' }
  },
  allowPositionals: true
})
const rounds = Number(values.rounds)

const ways = {
  sessions: { title: 'Streamable HTTP, sessions', Client: SessionClient },
  sse: { title: 'HTTP+SSE', Client: SseClient },
  modern: { title: 'Streamable HTTP, 2026-07-28', Client: ModernClient },
  client: { title: 'client mode' }
}
const parts = ['calls', 'sizes', 'progress', 'opening', 'memory', 'start', 'install']
const unknown = words.filter((word) => !parts.includes(word) && !(word in ways))
if (unknown.length > 0) {
  console.error(
    `not to be measured: ${unknown.join(', ')}. There are: ${[...parts, ...Object.keys(ways)].join(', ')}`
  )
  process.exit(2)
}
const named = (names) => {
  const some = names.filter((name) => words.includes(name))
  return some.length > 0 ? some : names
}

console.log(
  `Node ${process.version}, ${rounds} rounds; figures are medians, with the ratio to the first column's`
)
if (values.peers) for (const missing of installPeers()) console.log(`left out: ${missing}`)

const measured = {}
for (const part of named(parts)) {
  switch (part) {
    case 'calls':
    case 'sizes':
    case 'progress':
      for (const way of named(Object.keys(ways))) await measureWay(part, way)
      break
    case 'opening':
      report('opening a session', await measureOpening({ rounds, peers: values.peers }))
      break
    case 'memory':
      report('memory', await measureMemory({ rounds: 1, peers: values.peers }))
      break
    case 'start':
      report('start-up', await measureStart({ rounds: Math.max(rounds, 21) }))
      break
    case 'install':
      report('a production install', measureInstall())
  }
}
if (values.save) save(measured)
if (values.check && failed()) process.exitCode = 1

function report(title, rows) {
  Object.assign(measured, printTable(title, rows))
}

async function measureWay(part, way) {
  const { title } = ways[way]
  const raw = values.raw || part !== 'calls'
  const openers = contestantsOf(way, values.peers).map(
    (contestant) => () => open(way, contestant, raw)
  )
  if (part === 'sizes') {
    return report(
      `${title}: large results`,
      await measureSizes([...openers, openPipe], { rounds: 3 })
    )
  }
  const contestants = []
  try {
    for (const opener of [...openers, openPipe]) {
      const contestant = await opener()
      if (contestant !== undefined) contestants.push(contestant)
    }
    if (part === 'calls') {
      const sockets = values.raw && way !== 'client' ? ', from bare sockets' : ''
      report(
        `${title}${sockets}: small calls`,
        await measureCalls(contestants, { rounds, time: 300 })
      )
    } else {
      report(`${title}: notifications`, await measureProgress(contestants, { rounds }))
    }
  } finally {
    for (const { close } of contestants) await close()
  }
}

/** Starts a contestant, and gives a client that has opened its session through it. */
async function open(way, { name, args, path }, raw) {
  if (way === 'client') return openClientMode(name, args)
  const server = await startServer(args)
  const client = new ways[way].Client({ port: server.port, path, raw })
  const close = () => {
    client.close()
    return server.stop()
  }
  return opened({ name, client, pid: server.pid, close })
}

async function opened(contestant) {
  const { client, close } = contestant
  try {
    await within(20_000, 'opening', client.open())
    return contestant
  } catch (error) {
    await close()
    without(new Set(), contestant, error)
    return undefined
  }
}

async function openClientMode(name, args) {
  const server = await startServer(httpServer)
  const client = new StdioClient(args(`http://127.0.0.1:${server.port}/mcp`))
  const close = async () => {
    client.close()
    await stop(client.process)
    await server.stop()
  }
  return opened({ name, client, pid: client.process.pid, close })
}

/** The server itself, with nothing between. */
async function openPipe() {
  const client = new StdioClient(stdioServer)
  await client.open()
  return { name: 'stdio pipe', client, pid: NaN, close: () => stop(client.process) }
}
