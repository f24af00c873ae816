// Signals to the proxy, and what happens to its process: it must exit within a bound, after each call in
// flight has ended, and nothing may stay behind.

import { setTimeout as sleep } from 'node:timers/promises'
import { isRunning, parentOf } from '../processes.js'
import { waitUntil } from '../cell.js'

/** Four calls that are answered in time, and one that has no answer. */
const inFlight = [...Array.from({ length: 4 }, () => ({ delay: 800 })), { hang: true }]

/** The proxy that the client reaches: the last that was started. */
const front = (cell) => cell.proxies.at(-1)

const signal = (name, title, options = {}) => ({
  title,
  bound: 12_000,
  ...options,
  async run(cell) {
    const client = await cell.client()
    if (!cell.place.isClientMode) client.resumes = false
    const calls = cell.send(client, ...inFlight)
    await sleep(300)
    process.kill(front(cell).pid, name)
    await cell.end(calls)
    await cell.exits(front(cell))
  }
})

/** The proxy cannot answer any more. */
const killed = signal('SIGKILL', 'SIGKILL', {})

const stdioOnly = ({ isClientMode }) =>
  isClientMode ? undefined : 'server mode does not use stdin and stdout'

export const signalRows = {
  sigterm: signal('SIGTERM', 'SIGTERM'),
  sigint: signal('SIGINT', 'SIGINT'),
  sighup: signal('SIGHUP', 'SIGHUP'),
  sigquit: signal('SIGQUIT', 'SIGQUIT'),
  sigkill: {
    ...killed,
    run: (cell) => {
      cell.excused = true
      return killed.run(cell)
    }
  },
  'sigterm-twice': {
    ...signal('SIGTERM', 'SIGTERM twice'),
    async run(cell) {
      const client = await cell.client()
      client.resumes = false
      cell.excused = true
      const calls = cell.send(client, ...inFlight)
      await sleep(300)
      process.kill(front(cell).pid, 'SIGTERM')
      await sleep(100)
      process.kill(front(cell).pid, 'SIGTERM')
      await cell.end(calls, 3000)
      await cell.exits(front(cell), 3000)
    }
  },
  'parent-gone': {
    title: 'the parent of the proxy is gone',
    dash: (place) => stdioOnly(place) && 'server mode outlives its parent',
    // The shell stays the parent.
    wrap: (args) =>
      args.includes('--port') ? args : ['sh', '-c', 'exec 3<&0; "$@" <&3 & wait', 'sh', ...args],
    startsAlone: true,
    async run(cell) {
      const client = await cell.client()
      const calls = cell.send(client, ...inFlight)
      await sleep(300)
      const shell = front(cell)
      const [pid] = cell.processes.filter((pid) => parentOf(pid) === shell.pid)
      process.kill(shell.pid, 'SIGKILL')
      await cell.end(calls)
      if (!(await waitUntil(() => !isRunning(pid), 12_000)))
        cell.hung('client mode outlives its parent')
    }
  },
  asleep: {
    title: 'the machine asleep for 40 s',
    waits: true,
    async run(cell) {
      const client = await cell.client()
      const calls = cell.send(client, ...Array.from({ length: 5 }, () => ({ delay: 1000 })))
      await sleep(300)
      const pids = cell.processes
      for (const pid of pids) process.kill(pid, 'SIGSTOP')
      await sleep(40_000)
      for (const pid of pids) process.kill(pid, 'SIGCONT')
      await cell.end(calls)
      await cell.recovers(client)
    }
  }
}
