// What metrics cost for each small call. The baseline is the proxy without metrics.

import { SessionClient } from '../clients/session-client.js'
import { ours, serverMode } from '../proxies.js'
import { startServer } from '../start-server.js'
import { compareCalls } from './calls.js'

export async function* measureMetrics({ rounds }) {
  const candidates = []
  try {
    candidates.push(await open('without metrics'))
    candidates.push(await open(ours, '--metrics', '/metrics'))
    yield ['metrics', await compareCalls(candidates, rounds)]
  } finally {
    for (const { close } of candidates) await close()
  }
}

async function open(name, ...flags) {
  const { args, path } = serverMode('/mcp', ...flags)
  const { port, pid, stop } = await startServer(args)
  const client = new SessionClient({ port, path })
  await client.open()
  const close = async () => {
    client.close()
    await stop()
  }
  return { name, client, pid, close }
}
