// One cell of the matrix: a fault at a place. It starts the proxy, makes the fault happen during at least
// five calls, and counts what became of them and what stays behind.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Ledger } from './ledger.js'
import { descriptorsOf, isRunning, processesWith } from './processes.js'

export const node = process.execPath
export const pathOf = (relative) => fileURLToPath(new URL(`../../${relative}`, import.meta.url))
export const mcpProxy = pathOf('bin/mcp-proxy.js')

/**
 * How many times longer everything may take, because other programs use this machine: more than two
 * runnable processes for each core.
 */
export const slowness = () => Math.max(1, loadavg()[0] / (2 * availableParallelism()))

/** How long a call may take, if its row names no other bound, in ms. */
export const usualBound = 10_000
/** How long descriptors and processes may take to go, in ms. */
const settleTime = 12_000
/** How long a proxy may take to exit after a signal, in ms. */
export const exitTime = 12_000

/** Short times, so that a run does not wait long. They are part of each command line. */
const times = ['--close-timeout', '1s', '--drain-timeout', '2s', '--connect-timeout', '3s']
const usualFlags = [...times, '--max-message', '1m', '--log-level', 'WARNING']

export class Cell {
  directory = mkdtempSync(join(tmpdir(), 'mcp-faults-'))
  ledger = new Ledger(join(this.directory, 'ledger'))
  clients = []
  /** The running proxies: { pid, isServer, child, log }. */
  proxies = []
  faults = []
  /** Figures to print. */
  note = ''
  /** Whether answers may get lost with the proxy itself. */
  excused = false
  /** Outcome → how often, beside the outcomes of calls. */
  #more = { duplicated: 0, lost: 0, hung: 0, leaked: 0 }

  /** @param options of the row: `flags`, `wrap`, `env` of the proxy, `bound` */
  constructor(place, options) {
    this.place = place
    this.options = options
    this.bound = options.bound ?? usualBound
  }

  // ---- Starting.

  serverArgs(era) {
    return [node, pathOf('fixtures/tracked/server.js'), '--era', era, '--ledger', this.ledger.file]
  }

  proxyArgs(...args) {
    return [node, mcpProxy, ...usualFlags, ...(this.options.flags?.(this) ?? []), ...args]
  }

  get env() {
    return { ...process.env, ...this.options.env, FAULTS_CELL: this.directory }
  }

  wrap(args) {
    return this.options.wrap === undefined ? args : this.options.wrap(args, this)
  }

  /** Starts server mode for `args`, the server's command. Resolves to its base URL. */
  async serve(args, { flags = [], port } = {}) {
    port ??= await freePort()
    const own = ['--port', String(port), ...flags, '--', ...args]
    const [command, ...rest] = this.wrap(this.proxyArgs(...own))
    const stdio = ['ignore', 'ignore', 'pipe']
    const child = spawn(command, rest, { stdio, env: this.env })
    const proxy = { pid: child.pid, isServer: true, child, log: '', port }
    child.stderr.on('data', (chunk) => (proxy.log = (proxy.log + chunk).slice(-20_000)))
    proxy.exited = once(child, 'exit')
    this.proxies.push(proxy)
    for (let waited = 0; !(await listens(port)); waited += 30) {
      if (child.exitCode !== null) throw new Error(`the proxy exited: ${proxy.log}`)
      if (waited > 30_000) throw new Error('the proxy does not listen')
      await sleep(30)
    }
    return `http://127.0.0.1:${port}`
  }

  /** Starts client mode: `Client` starts the process. */
  start(Client, url, ...flags) {
    const client = new Client(this.wrap(this.proxyArgs(...flags, url)), { env: this.env })
    const { exited, process: child } = client
    this.proxies.push({ pid: client.pid, isServer: false, child, client, exited })
    return client
  }

  /** The client of the fault: in client mode the one that has called already. */
  async client() {
    return this.warm ?? this.open()
  }

  async open() {
    const client = await this.place.client(this)
    this.clients.push(client)
    return client.open()
  }

  // ---- Calls.

  /** Starts a call for each of `args`. */
  send(client, ...args) {
    return args.map((one) => {
      const call = this.ledger.begin(one)
      void client.call(call)
      return call
    })
  }

  /** Resolves when all calls have ended. Those that do not end within the bound count as hung. */
  async end(calls, bound = this.bound) {
    const time = bound * slowness()
    await Promise.race([Promise.all(calls.map(({ settled }) => settled)), sleep(time)])
    for (const call of calls) call.late ||= !call.ended
  }

  /** Sends calls and waits for their end. */
  async calls(client, ...args) {
    const calls = this.send(client, ...args)
    await this.end(calls)
    return calls
  }

  /** Calls until one is delivered. A client whose session is gone opens another. */
  async recovers(client, bound = this.bound) {
    const end = performance.now() + bound * slowness()
    for (let pause = 100; ; pause *= 1.5) {
      if (client !== undefined) {
        const [call] = this.send(client, {})
        await this.end([call], Math.max(1000, end - performance.now()))
        if (call.delivered) return client
        const isGone =
          call.answers[0]?.error?.code === -32001 || /404|stream ended/.test(call.outcome[1])
        if (isGone && this.place.reopens) client = undefined
      }
      client ??= await this.open().catch(() => undefined)
      if (performance.now() > end) {
        this.hung('no call is delivered after the fault')
        return client
      }
      await sleep(pause)
    }
  }

  hung = (text) => this.#broke('hung', text)
  leaked = (text) => this.#broke('leaked', text)
  lost = (text) => this.#broke('lost', text)
  duplicated = (text) => this.#broke('duplicated', text)

  #broke(outcome, text) {
    this.#more[outcome]++
    this.faults.push(`${outcome}: ${text}`)
  }

  // ---- What stays behind.

  get processes() {
    return processesWith(this.directory)
  }

  /** Remembers how many descriptors and processes there are, when they no longer change. */
  async measure() {
    const sample = () => {
      for (const proxy of this.proxies) proxy.descriptors = descriptorsOf(proxy.pid)
      this.baseline = this.processes.length
      return [...this.proxies.map(({ descriptors }) => descriptors.length), this.baseline].join()
    }
    let last
    for (let tries = 0; tries < 60; tries++) {
      const now = sample()
      if (now === last) return
      last = now
      await sleep(150)
    }
  }

  /** Waits until the proxies that `which` selects have no more descriptors than before. */
  async #checkDescriptors(which) {
    for (const proxy of this.proxies.filter(which)) {
      if (proxy.descriptors === undefined) continue
      const more = () => {
        const now = descriptorsOf(proxy.pid)
        return now.length > proxy.descriptors.length ? now : undefined
      }
      const left = await waitUntil(() => more() === undefined, settleTime)
      if (left) continue
      const now = more() ?? []
      const text = `descriptors of ${proxy.isServer ? 'server' : 'client'} mode`
      this.leaked(`${text}: ${countsOf(proxy.descriptors)}, then ${countsOf(now)}`)
    }
  }

  /** Closes everything and returns { counts, faults, log }. */
  async finish() {
    await this.#checkDescriptors(({ isServer }) => !isServer)
    await Promise.race([Promise.all(this.clients.map((client) => client.close())), sleep(exitTime)])
    await this.#checkDescriptors(({ isServer }) => isServer)
    if (this.baseline !== undefined) {
      // The processes of client mode have just ended.
      const most = Math.max(this.baseline, this.proxies.length)
      const gone = await waitUntil(() => this.processes.length <= most, settleTime)
      if (!gone) this.leaked(`${this.processes.length} processes, before ${this.baseline}`)
    }
    for (const proxy of this.proxies) {
      if (!isRunning(proxy.pid)) continue
      proxy.child.kill('SIGTERM')
      await this.exits(proxy)
    }
    await this.remote?.down()
    if (!(await waitUntil(() => this.processes.length === 0, 5000))) {
      this.leaked(`processes after the end: ${this.processes.join(', ')}`)
    }
    for (const { strays, lastStray } of this.clients) {
      if (strays > 0) this.duplicated(`${strays} responses to no request, such as ${lastStray}`)
    }
    const { counts, faults } = this.ledger.account(this.excused)
    for (const [outcome, count] of Object.entries(this.#more)) counts[outcome] += count
    const log = this.proxies.map((proxy) => proxy.log ?? proxy.client.log).join('')
    return { counts, faults: [...this.faults, ...faults], log, note: this.note }
  }

  /** Waits for the exit of a proxy, which has a bound. */
  async exits(proxy, bound = exitTime) {
    if (await waitUntil(() => !isRunning(proxy.pid), bound)) return
    this.hung(`${proxy.isServer ? 'server' : 'client'} mode does not exit`)
    process.kill(proxy.pid, 'SIGKILL')
  }

  /** Ends what a failed cell left running. */
  clean() {
    for (const pid of this.processes) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended meanwhile.
      }
    }
    rmSync(this.directory, { recursive: true, force: true })
  }
}

function countsOf(descriptors) {
  const counts = new Map()
  for (const name of descriptors) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].map(([name, count]) => `${count} ${name}`).join(', ')
}

export async function waitUntil(fits, time) {
  const end = performance.now() + time * slowness()
  while (!(await fits())) {
    if (performance.now() > end) return false
    await sleep(50)
  }
  return true
}

/** Closes the connection of an HTTP response after `left` bytes of its body. */
export function cutAfter(response, left, onCut = () => {}) {
  const push = response.push.bind(response)
  response.push = (chunk, encoding) => {
    if (chunk === null || chunk.length <= left) {
      left -= chunk?.length ?? 0
      return push(chunk, encoding)
    }
    push(chunk.subarray(0, left))
    response.push = push
    onCut()
    response.destroy()
    return false
  }
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
      .on('error', () => resolve(false))
      .on('connect', () => {
        socket.destroy()
        resolve(true)
      })
  })
}
