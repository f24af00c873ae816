// systemd learns the state of the proxy: with a program in place of systemd-notify, and with the real one
// where it is installed.

import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { Inbox } from '../../../fixtures/clients/raw.js'
import { ServiceManager } from '../../../lib/cli/service/service-manager.ts'
import { fixture, KeptLog, until } from '../../helpers.ts'
import { run, served, stop } from '../process.ts'

const demo = { command: process.execPath, args: [fixture('servers/demo.js')] }

interface World {
  manager: ServiceManager
  log: KeptLog
  /** The arguments of each run of systemd-notify. */
  runs(): string[]
}

/** @param script what systemd-notify does at last; `undefined`: there is no such program */
function open(t: Test, script: string | undefined): World {
  const directory = t.testdir({ runs: '' })
  const file = `${directory}/systemd-notify`
  if (script !== undefined) {
    writeFileSync(file, `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >> ${directory}/runs\n${script}\n`)
    chmodSync(file, 0o755)
  }
  const path = script === undefined ? directory : `${directory}:${process.env.PATH}`
  t.intercept(process, 'env', { value: { PATH: path, SECRET: 'hidden' } })
  const log = new KeptLog()
  const runs = (): string[] => readFileSync(`${directory}/runs`, 'utf8').split('\n').slice(0, -1)
  return { manager: new ServiceManager('/run/notify', log), log, runs }
}

t.test('systemd gets the states in their order', async (t) => {
  const { manager, log, runs } = open(t, 'sleep 0.02')
  manager.ready()
  manager.reloading()
  manager.ready()
  await until(() => runs().length === 3)
  manager.stopping()
  await until(() => runs().length === 4)
  t.match(runs(), [
    '/run/notify READY=1',
    /^\/run\/notify RELOADING=1 MONOTONIC_USEC=\d+$/,
    '/run/notify READY=1',
    '/run/notify STOPPING=1'
  ])
  t.strictSame([...log.lines], [])
})

t.test('while systemd is slow, few states wait, and the last ones count', async (t) => {
  const { manager, runs } = open(t, 'sleep 0.3')
  manager.ready()
  for (let count = 0; count < 100; count++) {
    manager.reloading()
    manager.ready()
  }
  await until(() => runs().length === 3)
  t.match(runs(), [/READY/, /RELOADING/, / READY/])
  manager.reloading()
  manager.stopping()
  await until(() => runs().length === 4)
  t.match(runs()[3], /STOPPING/)
})

t.test('a failure is logged once', async (t) => {
  const begin = 'warn: systemd does not learn the state of the proxy: systemd-notify: '
  const missing = open(t, undefined)
  missing.manager.ready()
  missing.manager.stopping()
  await missing.log.lines.until((line) => line.startsWith(begin))
  t.match([...missing.log.lines], [`${begin}spawn systemd-notify ENOENT`])
  const failing = open(t, 'exit 3')
  failing.manager.ready()
  failing.manager.stopping()
  await until(() => failing.runs().length === 2)
  t.strictSame([...failing.log.lines], [`${begin}it ended with 3`])
})

t.test('a program that cannot be started fails nothing else', async (t) => {
  const log = new KeptLog()
  const manager = new ServiceManager('\0', log)
  manager.ready()
  manager.stopping()
  t.match([...log.lines], [/systemd-notify: .*null bytes/])
})

t.test('a program that does not end is killed', async (t) => {
  const { manager, log, runs } = open(t, 'exec sleep 60')
  manager.ready()
  manager.stopping()
  t.match(await log.lines.until(() => true), /it ended with SIGKILL$/)
  await until(() => runs().length === 2)
})

/** Listens on a socket for datagrams, as systemd does. Prints each as a line of JSON. */
const receiver = `
import socket, sys, json, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('ready', flush=True)
while True:
    text = s.recv(4096).decode()
    if 'BARRIER' not in text: print(json.dumps([text, time.monotonic()]), flush=True)
`

t.test(
  'the command says when it is ready, reloads and stops',
  { skip: !existsSync('/usr/bin/systemd-notify') && 'there is no systemd-notify' },
  async (t) => {
    // The path of a socket has 107 bytes at most.
    const directory = mkdtempSync(join(tmpdir(), 'notify-'))
    t.teardown(() => rmSync(directory, { recursive: true }))
    const socket = join(directory, 'socket')
    const python = spawn('python3', ['-c', receiver, socket])
    t.teardown(() => python.kill())
    const lines = new Inbox<string>()
    let rest = ''
    python.stdout.setEncoding('utf8').on('data', (text: string) => {
      const all = (rest + text).split('\n')
      rest = all.pop() as string
      lines.push(...all)
    })
    await lines.until((line) => line === 'ready')
    const states = (): [string, number][] =>
      lines.slice(1).map((line) => JSON.parse(line) as [string, number])
    const file = join(directory, 'servers.json')
    writeFileSync(file, JSON.stringify({ mcpServers: { demo } }))
    const command = run(t, ['--named-server-config', file], { NOTIFY_SOCKET: socket })
    await served(command)
    await until(() => states().length === 1)
    const reload = async (): Promise<void> => {
      const before = states().length
      const signalled = Number(process.hrtime.bigint()) / 1e9
      process.emit('SIGHUP')
      await until(() => states().length === before + 2)
      const [text, time] = states()[before] as [string, number]
      const begun = Number(/\d+$/.exec(text)?.[0]) / 1e6
      // systemd waits for a reload that has begun after its signal.
      t.ok(begun > signalled - 0.001 && begun <= time, 'the time is that of the clock of systemd')
    }
    await reload()
    writeFileSync(file, 'no JSON')
    await reload()
    stop()
    t.equal(await command.code, 0)
    await until(() => states().length === 6)
    const reloading = /^RELOADING=1\nMONOTONIC_USEC=\d+$/
    t.match(states(), [
      ['READY=1'],
      ...[[reloading], ['READY=1']],
      ...[[reloading], ['READY=1']],
      ['STOPPING=1']
    ])
    const outcomes = command.log.filter((line) => line.includes('reloaded'))
    t.match(outcomes, [/reloaded: nothing has changed$/, /nothing was reloaded: /])
  }
)
