// The processes of the polyglot check: proxies, servers over HTTP, and clients that print one line of
// JSON for each step. All of them end before the check does.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

export const proxy = [
  process.execPath,
  fileURLToPath(new URL('../../bin/mcp-proxy.js', import.meta.url))
]

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export interface Running {
  child: ChildProcess
  output: { stdout: string; stderr: string }
  exited: Promise<number | null>
}

export function start([command = '', ...args]: string[]): Running {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => (output[name] += text))
  }
  const exited = new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      output.stderr += String(error)
      resolve(null)
    })
    child.once('close', (code) => resolve(code))
  }).finally(() => running.delete(child))
  return { child, output, exited }
}

/** Waits for a process to end. After the time, kills it, and returns undefined. */
export async function ending(
  { child, exited }: Running,
  time: number
): Promise<number | null | undefined> {
  const timer = new AbortController()
  const late = delay(time, 'late' as const, { signal: timer.signal }).catch(() => null)
  const code = await Promise.race([exited, late])
  timer.abort()
  if (code !== 'late') return code
  child.kill('SIGKILL')
  await exited
  return undefined
}

/** Asks a process to end. Returns undefined if it had to be killed. */
export async function stop(target: Running): Promise<number | null | undefined> {
  target.child.kill('SIGTERM')
  return ending(target, 10_000)
}

/** Waits until a condition holds; gives up after the time. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  time: number
): Promise<boolean> {
  for (const end = Date.now() + time; Date.now() < end; await delay(50)) {
    if (await holds()) return true
  }
  return false
}

/** Starts server mode. `origin` is the URL without a path. */
export async function serve(words: string[]): Promise<Running & { origin: string }> {
  const server = start([...proxy, '--port', '0', '--pass-environment', ...words])
  const url = /(http:\/\/[\d.]+:\d+)\//
  if (!(await until(() => url.test(server.output.stderr), 15_000))) {
    await stop(server)
    throw new Error(`the proxy did not start: ${server.output.stderr}`)
  }
  return { ...server, origin: (url.exec(server.output.stderr) as RegExpExecArray)[1] as string }
}

/** Starts a server that listens on the port which follows the words. */
export async function listen(words: string[]): Promise<Running & { url: string }> {
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  free.close()
  const server = start([...words, String(port)])
  if (!(await until(() => opens(port), 30_000))) {
    await stop(server)
    throw new Error(`${words.join(' ')} ${port} did not start: ${server.output.stderr}`)
  }
  return { ...server, url: `http://127.0.0.1:${port}/mcp` }
}

function opens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** True if a process has children; false too where /proc does not tell. */
export function hasChildren({ child }: Running): boolean {
  try {
    return readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim() !== ''
  } catch {
    return false
  }
}
