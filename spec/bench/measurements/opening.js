// The time to open a session: from the client's `initialize` to the server's response. Our proxy is
// measured twice: it starts the server on demand, or it has started it before (`--prewarm`). The
// baseline is the server without a proxy.

import { setTimeout as delay } from 'node:timers/promises'
import { SessionClient } from '../clients/session-client.js'
import { StdioClient } from '../clients/stdio-client.js'
import { withDeadline } from '../deadline.js'
import { skipIfOther } from '../other-proxies.js'
import { ours, proxiesFor, serverMode, stdioServer } from '../proxies.js'
import { addResult } from '../results.js'
import { startServer, stop } from '../start-server.js'
import { noProxy } from '../transports.js'

const onDemand = 'server started on demand (ms)'
const prewarmed = 'server prewarmed (ms)'

export async function* measureOpening({ rounds, others }) {
  const [, ...proxies] = proxiesFor('sessions', others)
  const starts = [
    ...proxies.map((proxy) => ({ label: onDemand, ...proxy })),
    { label: prewarmed, ...serverMode('/mcp', '--prewarm', '2'), name: ours }
  ]
  const servers = []
  try {
    for (const { args, ...rest } of starts) servers.push({ ...rest, ...(await startServer(args)) })
    yield ['opening a session', await compare(servers, rounds)]
  } finally {
    for (const server of servers) await server.stop()
  }
}

async function compare(servers, rounds) {
  const results = new Map()
  const running = new Set(servers)
  // Round -1 is a warm-up.
  for (let round = -1; round < rounds; round++) {
    const baseline = await timeWithoutProxy()
    if (round >= 0) {
      for (const label of [onDemand, prewarmed]) addResult(results, label, noProxy, baseline)
    }
    for (const server of running) {
      // The proxy may start the next prewarmed server now: wait until that is over.
      await delay(200)
      try {
        const taken = await withDeadline(10_000, 'opening a session', timeThroughProxy(server))
        if (round >= 0) addResult(results, server.label, server.name, taken)
      } catch (error) {
        skipIfOther(server.name, error)
        running.delete(server)
      }
    }
  }
  return results
}

async function timeThroughProxy({ port, path }) {
  const client = new SessionClient({ port, path })
  const start = performance.now()
  await client.open()
  const taken = performance.now() - start
  await client.end()
  client.close()
  return taken
}

async function timeWithoutProxy() {
  const start = performance.now()
  const client = new StdioClient(stdioServer)
  await client.open()
  const taken = performance.now() - start
  await stop(client.process)
  return taken
}
