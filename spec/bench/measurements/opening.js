// The time to open a session, from the client's `initialize` to the server's response, and the CPU time
// of the proxy for it. Our proxy is measured three times: it starts a server on demand, it has started
// one before (`--prewarm`), or one server serves all sessions (`--shared`). The baseline is the server
// without a proxy.

import { setTimeout as delay } from 'node:timers/promises'
import { SessionClient } from '../clients/session-client.js'
import { StdioClient } from '../clients/stdio-client.js'
import { withDeadline } from '../deadline.js'
import { skipIfOther } from '../other-proxies.js'
import { cpuTimeOf } from '../process-usage.js'
import { ours, oursShared, proxiesFor, serverMode, stdioServer } from '../proxies.js'
import { addResult } from '../results.js'
import { startServer, stop } from '../start-server.js'
import { noProxy } from '../transports.js'

const onDemand = 'server started on demand'
const prewarmed = 'server prewarmed'
const shared = 'server shared'

export async function* measureOpening({ rounds, others }) {
  const [, ...proxies] = proxiesFor('sessions', { others })
  const starts = proxies.map((proxy) =>
    proxy.shares
      ? { ...proxy, label: shared, name: proxy.name === oursShared ? ours : proxy.name }
      : { ...proxy, label: onDemand }
  )
  starts.push({ ...serverMode('/mcp', '--prewarm', '2'), label: prewarmed })
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
      for (const label of [onDemand, prewarmed, shared]) {
        addResult(results, `${label} (ms)`, noProxy, baseline)
      }
    }
    for (const server of running) {
      // The proxy may start the next prewarmed server now: wait until that is over.
      await delay(200)
      try {
        const { taken, cpuTime } = await withDeadline(10_000, 'opening a session', open(server))
        if (round < 0) continue
        addResult(results, `${server.label} (ms)`, server.name, taken)
        addResult(results, `${server.label}, CPU of the proxy (ms)`, server.name, cpuTime / 1000)
      } catch (error) {
        skipIfOther(server.name, error)
        running.delete(server)
      }
    }
  }
  return results
}

async function open({ port, path, pid }) {
  const client = new SessionClient({ port, path })
  const cpuBefore = cpuTimeOf(pid)
  const start = performance.now()
  await client.initialize()
  const taken = performance.now() - start
  const cpuTime = cpuTimeOf(pid) - cpuBefore
  await client.end()
  client.close()
  return { taken, cpuTime }
}

async function timeWithoutProxy() {
  const start = performance.now()
  const client = new StdioClient(stdioServer)
  await client.initialize()
  const taken = performance.now() - start
  await stop(client.process)
  return taken
}
