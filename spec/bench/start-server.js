// Starts and stops the servers that the bench measures.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** The longest time for a server to listen, in ms. A server under valgrind starts slowly. */
const maxStart = 60_000

/**
 * Starts a server and resolves to { port, pid, log, stop } when it listens. `log()` is the end of its log.
 * @param argsOf port → [command, ...arguments]
 */
export async function startServer(argsOf) {
  const port = await freePort()
  const [command, ...args] = argsOf(port)
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (chunk) => (log = (log + chunk).slice(-4000)))
  const end = performance.now() + maxStart
  while (!(await listens(port))) {
    if (child.exitCode !== null) throw new Error(`${command} ${args.join(' ')} exited: ${log}`)
    if (performance.now() > end) {
      await stop(child)
      throw new Error(`${command} ${args.join(' ')} does not listen: ${log}`)
    }
    await delay(20)
  }
  return { port, pid: child.pid, log: () => log, stop: () => stop(child) }
}

/** Sends SIGTERM, after 5 s SIGKILL, and resolves when the process has exited. */
export async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill()
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
  await exited
  clearTimeout(timer)
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
      .on('connect', () => resolve(true))
      .on('error', () => resolve(false))
      .on('connect', () => socket.destroy())
  })
}
