// The time to start the command, which an MCP client waits for each time. The baseline is the start of
// Node.js.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { StdioClient } from '../clients/stdio-client.js'
import { httpServer, mcpProxy, node, ours } from '../proxies.js'
import { addResult } from '../results.js'
import { startServer } from '../start-server.js'

const minRounds = 21
/** Rounds that are not counted: they load the files into the disk's cache. */
const warmUpRounds = 3

export async function* measureStart({ rounds }) {
  const server = await startServer(httpServer)
  const url = `http://127.0.0.1:${server.port}/mcp`
  const times = [
    ['mcp-proxy --version (ms)', () => timeToExit(mcpProxy, '--version')],
    ['client mode to the first response (ms)', () => timeToResponse(mcpProxy, url)]
  ]
  const results = new Map()
  for (let round = -warmUpRounds; round < Math.max(rounds, minRounds); round++) {
    const baseline = await timeToExit('-e', '0')
    for (const [label, time] of times) {
      const taken = await time()
      if (round < 0) continue
      addResult(results, label, 'node -e 0', baseline)
      addResult(results, label, ours, taken)
    }
  }
  await server.stop()
  yield ['start-up', results]
}

async function timeToExit(...args) {
  const start = performance.now()
  const [code] = await once(spawn(node, args, { stdio: 'ignore' }), 'exit')
  if (code !== 0) throw new Error(`${args.join(' ')} exited with ${code}`)
  return performance.now() - start
}

async function timeToResponse(...args) {
  const start = performance.now()
  const client = new StdioClient([node, ...args])
  await client.open()
  const taken = performance.now() - start
  const exited = once(client.process, 'exit')
  client.close()
  await exited
  return taken
}
