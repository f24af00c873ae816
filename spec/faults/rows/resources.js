// What the proxy needs and does not get: descriptors, processes, a place to write.

import { execFileSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { waitUntil } from '../cell.js'
import { descriptorsOf } from '../processes.js'

const noAudit = ({ isClientMode }) => (isClientMode ? 'client mode has no audit log' : undefined)

/** Limits the size of each file that a process writes, as a full disk does. */
const limitFiles = ({ pid }, size) =>
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${size}:`])

const five = Array.from({ length: 5 }, () => ({ delay: 50 }))

const limit = ({ pid }, count) =>
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${count}:`])

const shell = (script) => (args) => ['bash', '-c', script, 'bash', ...args]

/** The command line of a row whose proxy gets another stderr. */
const stderr = (title, redirect) => ({
  title,
  wrap: shell(redirect),
  flags: () => ['--debug'],
  async run(cell) {
    const client = await cell.client()
    await cell.calls(client, ...five, { delay: 300, progress: 3 })
    await cell.recovers(client)
  }
})

const onlyStdout = ({ isClientMode }) => (isClientMode ? undefined : 'server mode writes no stdout')

/** Client mode whose stdout takes nothing. It must exit, and nothing may stay behind. */
const stdout = (title, redirect, afterwards = () => {}) => ({
  title,
  dash: onlyStdout,
  startsAlone: true,
  wrap: (args) => (args.includes('--port') ? args : shell(redirect)(args)),
  async run(cell) {
    cell.excused = true
    const client = cell.place.client(cell)
    cell.clients.push(client)
    client.open().catch(() => {})
    const calls = cell.send(client, ...five)
    await afterwards(client, calls)
    await cell.end(calls)
    await cell.exits(cell.proxies.at(-1))
  }
})

export const resourceRows = {
  descriptors: {
    title: 'no descriptor is free',
    async run(cell) {
      const client = await cell.client()
      await cell.calls(client, {})
      for (const proxy of cell.proxies) limit(proxy, descriptorsOf(proxy.pid).length + 2)
      // In server mode, the connections of others take the last descriptors.
      const port = cell.place.isClientMode ? undefined : new URL(cell.base).port
      const sockets = port
        ? Array.from({ length: 20 }, () => connect(port, '127.0.0.1').on('error', () => {}))
        : []
      await sleep(300)
      await cell.calls(client, ...five)
      const other = cell.place.isClientMode ? undefined : await cell.open().catch(() => undefined)
      if (other) await cell.calls(other, {})
      for (const socket of sockets) socket.destroy()
      for (const proxy of cell.proxies) limit(proxy, 1024)
      await cell.recovers(client)
    }
  },
  spawn: {
    title: 'the server cannot be started again',
    dash: ({ hasStdio }) => (hasStdio ? undefined : 'the server is not a process'),
    server(cell, era) {
      cell.command = `${cell.directory}/command`
      writeFileSync(cell.command, `#!/bin/sh\nexec ${cell.serverArgs(era).join(' ')}\n`)
      chmodSync(cell.command, 0o755)
      return [cell.command]
    },
    async run(cell) {
      const client = await cell.client()
      chmodSync(cell.command, 0)
      await cell.calls(client, ...five, { fault: 'killedBefore' })
      await cell.calls(client, {}, {})
      chmodSync(cell.command, 0o755)
      await cell.recovers(client, 20_000)
    }
  },
  'record-full': {
    title: 'disk full under `--record`',
    flags: () => ['--record', '/dev/full'],
    async run(cell) {
      const client = await cell.client()
      await cell.calls(client, ...five, { delay: 300, progress: 3 })
      await cell.recovers(client)
    }
  },
  'audit-full': {
    title: 'disk full under `--audit`',
    dash: noAudit,
    flags: () => ['--audit', '/dev/full'],
    async run(cell) {
      const client = await cell.client()
      await cell.calls(client, ...five, { delay: 300, progress: 3 })
      await cell.recovers(client)
    }
  },
  'audit-required': {
    title: 'disk full under `--audit-required`',
    dash: noAudit,
    // Otherwise the kernel ends the process.
    wrap: shell('trap "" XFSZ; exec "$@"'),
    flags: (cell) => ['--audit', `${cell.directory}/audit`, '--audit-required'],
    async run(cell) {
      const client = await cell.client()
      const [proxy] = cell.proxies
      limitFiles(proxy, 0)
      await cell.calls(client, ...five)
      // Lines that are about to be written at the failure are lost.
      await waitUntil(() => proxy.log.includes('cannot write the audit log'), 5000)
      const refused = await cell.calls(client, ...five)
      if (refused.some(({ delivered }) => delivered)) cell.lost('the audit log of a call')
      limitFiles(proxy, 'unlimited')
      process.kill(proxy.pid, 'SIGHUP')
      await cell.recovers(client)
    }
  },
  'stderr-full': stderr('stderr is full', 'exec "$@" 2>/dev/full'),
  'stderr-closed': stderr('stderr is closed', 'exec "$@" 2>&-'),
  'stderr-head': stderr('stderr is read by `head -1`', 'exec "$@" 2> >(head -1 >/dev/null)'),
  'stdout-full': stdout('stdout is full', 'exec "$@" >/dev/full'),
  'stdout-closed': stdout('stdout is closed', 'exec "$@" >&-', async (client, calls) => {
    // Node opens /dev/null in its place. So the proxy runs until its input ends.
    await sleep(1000)
    for (const call of calls) call.abandon()
    client.process.stdin.end()
  }),
  'stdout-head': stdout('stdout is read by `head -1`', 'exec "$@" > >(head -1)')
}
