// What a proxy does while its clients do nothing: its CPU time and its wake-ups, without clients and
// with 1,000 sessions that each have an open event stream. A thread goes to sleep after each wake-up, and
// Linux counts that. All proxies rest at the same time, in one round.

import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { SessionClient } from '../clients/session-client.js'
import { withDeadline } from '../deadline.js'
import { skipIfOther } from '../other-proxies.js'
import { cpuTimeOf, sleepsOf } from '../process-usage.js'
import { emptyServer, ours, proxiesFor, sharedMode } from '../proxies.js'
import { addResult } from '../results.js'
import { startServer } from '../start-server.js'

const streamCount = 1000
/**
 * Seconds before the measurement. V8 collects the garbage of the start and of the opened sessions only some
 * time later, after 30 s on Node 26, and wakes all its threads for it.
 */
const settleTime = 90
/** Seconds of the measurement. */
const idleTime = 60

export async function* measureIdle({ others }) {
  // A proxy with a process for each session cannot have a thousand sessions here.
  const [, ...sharing] = proxiesFor('sessions', { others }).filter(({ shares }) => shares)
  const proxies = [{ ...sharedMode, name: ours }, ...sharing]
  const resting = []
  try {
    for (const server of [emptyServer, ...proxies]) {
      resting.push({
        label: 'without clients',
        name: server.name,
        ...(await startServer(server.args))
      })
    }
    for (const proxy of proxies) {
      const label = `${streamCount.toLocaleString('en')} open streams`
      const server = { ...proxy, ...(await startServer(proxy.args)) }
      resting.push({ label, ...server })
      try {
        for (let n = 0; n < streamCount; n++) await openStream(server)
      } catch (error) {
        skipIfOther(proxy.name, error)
        resting.pop()
        await server.stop()
      }
    }
    yield ['idle', await measure(resting)]
  } finally {
    for (const { stop } of resting) await stop()
  }
}

async function measure(resting) {
  const results = new Map()
  await delay(settleTime * 1000)
  const before = resting.map(({ pid }) => [cpuTimeOf(pid), sleepsOf(pid)])
  await delay(idleTime * 1000)
  for (const [index, { label, name, pid }] of resting.entries()) {
    const [cpuTime, sleeps] = before[index]
    const milliseconds = (cpuTimeOf(pid) - cpuTime) / 1000
    addResult(results, `${label}, CPU time in ${idleTime} s (ms)`, name, milliseconds)
    addResult(results, `${label}, wake-ups (per s)`, name, (sleepsOf(pid) - sleeps) / idleTime)
  }
  return results
}

/** Opens a session and its event stream. The stream stays open until the proxy closes it. */
async function openStream({ port, path }) {
  const client = new SessionClient({ port, path })
  await withDeadline(10_000, 'opening a session', client.open())
  client.close()
  const headers = { host: 'localhost', accept: 'text/event-stream', ...client.headersOf() }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const socket = connect({ port, host: '127.0.0.1' })
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
  const [head] = await withDeadline(10_000, 'opening a stream', once(socket, 'data'))
  if (!/^HTTP\/1.1 200 /.test(head)) throw new Error(`GET ${path}: ${head.slice(0, 100)}`)
  socket.on('error', () => {}).resume()
}
