// Resident memory of the proxy: after its start, and with 100 and 1,000 sessions that share one server
// process. The baseline is a node:http server that does nothing. There is one round.

import { setTimeout as delay } from 'node:timers/promises'
import { SessionClient } from '../clients/session-client.js'
import { withDeadline } from '../deadline.js'
import { skipIfOther } from '../other-proxies.js'
import { memoryOf } from '../process-usage.js'
import { emptyServer, ours, proxiesFor, sharedMode } from '../proxies.js'
import { addResult } from '../results.js'
import { startServer } from '../start-server.js'

const KiB = 1024
const MiB = 1024 * KiB
const counts = [100, 1000]
/** Seconds without requests. V8 returns the memory that the opening needed only after some seconds. */
const idleTime = 20

export async function* measureMemory({ others }) {
  const results = new Map()
  // A proxy with a process for each session cannot have a thousand sessions here.
  const [, ...sharing] = proxiesFor('sessions', { others }).filter(({ shares }) => shares)
  const proxies = [{ ...sharedMode, name: ours }, ...sharing]
  for (const server of [emptyServer, ...proxies]) await measure(results, server)
  yield ['resident memory', results]
}

async function measure(results, { name, args, path }) {
  const server = await startServer(args)
  const add = (label, bytes) => addResult(results, label, name, bytes)
  try {
    await delay(500)
    const atStart = memoryOf(server.pid)
    add('after start (MiB)', atStart / MiB)
    if (path === undefined) return
    let opened = 0
    for (const count of counts) {
      for (; opened < count; opened++) {
        const client = new SessionClient({ port: server.port, path })
        await withDeadline(10_000, 'opening a session', client.open())
        client.close()
      }
      const sessions = `${count.toLocaleString('en')} sessions`
      const idle = `${sessions}, idle for ${idleTime} s`
      add(`${sessions}, just opened (MiB)`, memoryOf(server.pid) / MiB)
      await delay(idleTime * 1000)
      const memory = memoryOf(server.pid)
      add(`${idle} (MiB)`, memory / MiB)
      add(`${idle} (KiB per session)`, (memory - atStart) / KiB / count)
    }
  } catch (error) {
    skipIfOther(name, error)
  } finally {
    await server.stop()
  }
}
