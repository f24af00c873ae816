// How a server's process and its descendants are ended.

import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { Inbox } from '../../fixtures/clients/raw.js'
import type { Json } from '../../fixtures/clients/raw.js'
import { ProcessGroup } from '../../lib/stdio/process-group.ts'
import type { PipedChild } from '../../lib/stdio/process-group.ts'
import { killGroups, runningGroups } from '../../lib/stdio/running-groups.ts'
import { ended, isRunning, misbehaving, script } from '../helpers.ts'

t.setTimeout(120_000)

interface Started {
  child: PipedChild
  /** Resolves to the exit code and the signal of the child. */
  exited: Promise<[number | null, NodeJS.Signals | null]>
  /** Resolves to the result of a request. */
  ask(method: string, params?: object): Promise<Json>
}

function start(t: Test, { command, args }: { command: string; args: string[] }): Started {
  const child = spawn(command, args, { detached: true, stdio: 'pipe' })
  const messages = new Inbox<Json>()
  createInterface(child.stdout).on('line', (line) => messages.push(JSON.parse(line)))
  child.stderr.resume()
  child.stdin.on('error', () => {})
  t.teardown(() => {
    try {
      process.kill(-(child.pid as number), 'SIGKILL')
    } catch {
      // The group has exited, as it should.
    }
  })
  let lastId = 0
  const ask = async (method: string, params = {}): Promise<Json> => {
    const id = ++lastId
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`)
    return (await messages.until((message) => message.id === id))?.result
  }
  return { child, exited: once(child, 'exit') as Started['exited'], ask }
}

/** Prints the id of a process that exits, leads a group, and has a parent that never reaps it. */
const zombieMaker = 'setsid sleep 0.3 & echo $!; exec sleep 3600'

/** The same server behind a shell that waits for it. */
const throughShell = (...flags: string[]): { command: string; args: string[] } => {
  const { command, args } = misbehaving(...flags)
  return { command: 'sh', args: ['-c', '"$@"; exit $?', 'sh', command, ...args] }
}

const endRest = (group: ProcessGroup, timeout?: number): Promise<void> =>
  new Promise((resolve) => group.endRest(resolve, timeout))

t.test('a child that exits at the end of its input gets no signal', async (t) => {
  const { child, exited, ask } = start(t, misbehaving())
  await ask('ping')
  const group = new ProcessGroup(child, 60_000)
  group.stop()
  t.strictSame(await exited, [0, null])
  await endRest(group)
  t.ok(child.stdout.closed && child.stderr.closed)
})

t.test('a child that ignores the end of its input gets SIGTERM', async (t) => {
  const { child, exited, ask } = start(t, misbehaving('--ignore-eof'))
  await ask('ping')
  const group = new ProcessGroup(child, 2000)
  group.stop()
  group.stop()
  t.strictSame(await exited, [null, 'SIGTERM'])
  await endRest(group)
})

t.test('a child that ignores SIGTERM too gets SIGKILL', async (t) => {
  const { child, exited, ask } = start(t, misbehaving('--ignore-eof', '--ignore-sigterm'))
  await ask('ping')
  const group = new ProcessGroup(child, 100)
  group.stop()
  t.strictSame(await exited, [null, 'SIGKILL'])
  await endRest(group)
})

t.test('a server behind a shell gets the end of its input and the signals too', async (t) => {
  for (const flags of [[], ['--ignore-eof'], ['--ignore-eof', '--ignore-sigterm']]) {
    const { child, exited, ask } = start(t, throughShell(...flags))
    const { pid, ppid } = await ask('test/pids')
    t.equal(ppid, child.pid, 'the shell is its parent')
    const group = new ProcessGroup(child, 100)
    group.stop()
    await exited
    await endRest(group)
    await ended(pid)
  }
})

t.test('a server has time to exit after the shell before it has exited', async (t) => {
  const { child, exited, ask } = start(t, throughShell('--ignore-eof', '--ignore-sigterm'))
  const { pid } = await ask('test/pids')
  const group = new ProcessGroup(child, 300)
  process.kill(child.pid as number, 'SIGKILL')
  await exited
  const begun = performance.now()
  const ending = endRest(group)
  t.ok(isRunning(pid))
  await ending
  t.ok(performance.now() - begun > 290)
  await ended(pid)
})

t.test('the descendants of a child get SIGTERM, then SIGKILL', async (t) => {
  for (const stubborn of [false, true]) {
    const { child, exited, ask } = start(t, misbehaving())
    const { pid } = await ask('test/fork', { stubborn })
    const group = new ProcessGroup(child, 200)
    group.stop()
    t.strictSame(await exited, [0, null])
    t.ok(isRunning(pid))
    await endRest(group)
    await ended(pid)
  }
})

t.test('a stop takes no longer than the timeout, whichever steps it needs', async (t) => {
  for (const stubborn of [misbehaving, throughShell]) {
    const { child, exited, ask } = start(t, stubborn('--ignore-eof', '--ignore-sigterm'))
    const { pid } = await ask('test/pids')
    const group = new ProcessGroup(child, 1000)
    const began = performance.now()
    group.stop()
    await exited
    await endRest(group)
    const time = performance.now() - began
    t.ok(time > 750 && time < 1000, `${time} ms`)
    await ended(pid)
  }
})

t.test('`killGroups` kills every process of every group', async (t) => {
  const { child, exited, ask } = start(t, throughShell('--ignore-eof', '--ignore-sigterm'))
  const { pid } = await ask('test/pids')
  const group = new ProcessGroup(child, 0)
  t.ok(runningGroups.has(group))
  killGroups()
  t.strictSame(await exited, [null, 'SIGKILL'])
  await ended(pid)
  await endRest(group)
  t.notOk(runningGroups.has(group))
})

t.test('a zombie counts as exited', { skip: process.platform !== 'linux' }, async (t) => {
  const parent = spawn('sh', ['-c', zombieMaker])
  t.teardown(() => parent.kill('SIGKILL'))
  const [line] = (await once(createInterface(parent.stdout), 'line')) as [string]
  const pid = Number(line)
  const state = (): string => /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? ''
  while (state() !== 'Z') await sleep(10)
  t.ok(process.kill(-pid, 0), 'a signal to its group succeeds')
  const child = Object.assign(new EventEmitter(), {
    pid,
    stdin: new PassThrough(),
    stdout: { closed: true },
    stderr: { closed: true }
  }) as unknown as PipedChild
  const group = new ProcessGroup(child, 10_000)
  const began = performance.now()
  await endRest(group)
  t.ok(performance.now() - began < 1000)
})

t.test('setting the system clock does not change the time that descendants get', async (t) => {
  for (const step of [3_600_000, -3_600_000]) {
    const { child, exited, ask } = start(t, misbehaving())
    const { pid } = await ask('test/fork', { stubborn: true })
    const group = new ProcessGroup(child, 1000)
    child.kill('SIGKILL')
    await exited
    const begun = performance.now()
    const ending = endRest(group)
    const clock = (): number => performance.timeOrigin + performance.now() + step
    t.intercept(Date, 'now', { value: clock })
    await ending
    const time = performance.now() - begun
    t.ok(time > 990 && time < 5000, `${time} ms`)
    await ended(pid)
  }
})

t.test('the descendants of a child may get less time', async (t) => {
  const { child, exited, ask } = start(t, misbehaving())
  const { pid } = await ask('test/fork', { stubborn: true })
  const group = new ProcessGroup(child, 600_000)
  child.kill('SIGKILL')
  await exited
  await endRest(group, 50)
  await ended(pid)
})

t.test('a process that left the group and holds the pipes open is not waited for', async (t) => {
  for (const held of ['stdout', 'stderr']) {
    const stdio = held === 'stdout' ? "['ignore', 1, 'ignore']" : "['ignore', 'ignore', 2]"
    const { child, exited, ask } = start(
      t,
      script(`
        const options = { detached: true, stdio: ${stdio} }
        const { spawn } = require('node:child_process')
        const { pid } = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 3600e3)'], options)
        process.stdin.once('data', () => {
          const last = 'x'.repeat(100_000)
          process.stdout.write(JSON.stringify({ id: 1, result: { pid, last } }) + '\\n')
          process.exit()
        })
      `)
    )
    const answer = ask('any')
    await exited
    const group = new ProcessGroup(child, 60_000)
    await endRest(group)
    const { pid, last } = await answer
    t.teardown(() => process.kill(pid, 'SIGKILL'))
    t.equal(last.length, 100_000, 'the output of the child has been read')
    t.ok(isRunning(pid))
    t.ok(child.stdout.closed && child.stderr.closed)
  }
})

t.test('after the group has exited, `stop` and `signal` do nothing', async (t) => {
  const { child, exited, ask } = start(t, misbehaving())
  await ask('ping')
  const group = new ProcessGroup(child, 10)
  group.stop()
  await exited
  await endRest(group)
  group.stop()
  group.signal('SIGTERM')
  t.pass('no timer keeps the test running')
})

t.test('a timeout of 0 is no limit', async (t) => {
  const { child, exited, ask } = start(t, misbehaving('--ignore-eof'))
  const answer = ask('test/sleep', { ms: 100 })
  new ProcessGroup(child, 0).stop()
  await answer
  child.kill('SIGUSR2')
  t.strictSame(await exited, [null, 'SIGUSR2'], 'it got no other signal')
})

t.test('on Windows taskkill ends the whole tree', async (t) => {
  const kill = '#!/bin/sh\necho "$@" > "$0.args"; kill -KILL "$2"\n'
  const directory = t.testdir({ taskkill: kill })
  chmodSync(join(directory, 'taskkill'), 0o755)
  const { PATH } = process.env
  t.teardown(() => (process.env.PATH = PATH))
  process.env.PATH = `${directory}:${PATH}`

  const { child, exited, ask } = start(t, misbehaving('--ignore-eof'))
  await ask('ping')
  const group = new ProcessGroup(child, 50, 'win32')
  group.stop()
  t.strictSame(await exited, [null, 'SIGKILL'])
  t.equal(readFileSync(join(directory, 'taskkill.args'), 'utf8'), `/pid ${child.pid} /T /F\n`)
  await endRest(group)
})

t.test('on Windows without taskkill at least the child is ended', async (t) => {
  const { PATH } = process.env
  t.teardown(() => (process.env.PATH = PATH))
  const { child, exited, ask } = start(t, misbehaving('--ignore-eof'))
  await ask('ping')
  process.env.PATH = t.testdir()
  const group = new ProcessGroup(child, 500, 'win32')
  group.stop()
  t.strictSame(await exited, [null, 'SIGTERM'])
  await endRest(group)
})
