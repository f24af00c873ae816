// A server's process and all that it started, and how they leave.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import type { Test } from 'tap'
import { Inbox } from '../../fixtures/clients/raw.js'
import type { Json } from '../../fixtures/clients/raw.js'
import { ProcessGroup } from '../../lib/stdio/process-group.ts'
import type { PipedChild } from '../../lib/stdio/process-group.ts'
import { ended, isRunning, rascal, script } from '../helpers.ts'

t.setTimeout(120_000)

interface Started {
  child: PipedChild
  /** Resolves to how the child itself left. */
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
      // As it should be.
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

/** The same server as the child of a shell that stays. */
const throughShell = (...flags: string[]): { command: string; args: string[] } => {
  const { command, args } = rascal(...flags)
  return { command: 'sh', args: ['-c', '"$@"; exit $?', 'sh', command, ...args] }
}

const swept = (group: ProcessGroup, timeout?: number): Promise<void> =>
  new Promise((resolve) => group.sweep(resolve, timeout))

t.test('a child that leaves at the end of its input is sent no signal', async (t) => {
  const { child, exited, ask } = start(t, rascal())
  await ask('ping')
  const group = new ProcessGroup(child, 60_000)
  group.leave()
  t.strictSame(await exited, [0, null])
  await swept(group)
  t.ok(child.stdout.closed && child.stderr.closed)
})

t.test('a child that ignores the end of its input is sent SIGTERM', async (t) => {
  const { child, exited, ask } = start(t, rascal('--ignore-eof'))
  await ask('ping')
  const group = new ProcessGroup(child, 100)
  group.leave()
  group.leave()
  t.strictSame(await exited, [null, 'SIGTERM'])
  await swept(group)
})

t.test('a child that ignores SIGTERM too is killed', async (t) => {
  const { child, exited, ask } = start(t, rascal('--ignore-eof', '--ignore-sigterm'))
  await ask('ping')
  const group = new ProcessGroup(child, 100)
  group.leave()
  t.strictSame(await exited, [null, 'SIGKILL'])
  await swept(group)
})

t.test('a server behind a shell is asked, told and forced as one in front', async (t) => {
  for (const flags of [[], ['--ignore-eof'], ['--ignore-eof', '--ignore-sigterm']]) {
    const { child, exited, ask } = start(t, throughShell(...flags))
    const { pid, ppid } = await ask('test/pids')
    t.equal(ppid, child.pid, 'the shell is there')
    const group = new ProcessGroup(child, 100)
    group.leave()
    await exited
    await swept(group)
    await ended(pid)
  }
})

t.test('a server has its time when the shell in front of it is gone', async (t) => {
  const { child, exited, ask } = start(t, throughShell('--ignore-eof', '--ignore-sigterm'))
  const { pid } = await ask('test/pids')
  const group = new ProcessGroup(child, 300)
  process.kill(child.pid as number, 'SIGKILL')
  await exited
  const begun = performance.now()
  const sweeping = swept(group)
  t.ok(isRunning(pid))
  await sweeping
  t.ok(performance.now() - begun > 290)
  await ended(pid)
})

t.test('what a child left behind is told to leave, and forced', async (t) => {
  for (const stubborn of [false, true]) {
    const { child, exited, ask } = start(t, rascal())
    const { pid } = await ask('test/fork', { stubborn })
    const group = new ProcessGroup(child, 200)
    group.leave()
    t.strictSame(await exited, [0, null])
    t.ok(isRunning(pid))
    await swept(group)
    await ended(pid)
  }
})

t.test('what a child left behind may be given less time', async (t) => {
  const { child, exited, ask } = start(t, rascal())
  const { pid } = await ask('test/fork', { stubborn: true })
  const group = new ProcessGroup(child, 600_000)
  child.kill('SIGKILL')
  await exited
  await swept(group, 50)
  await ended(pid)
})

t.test('whoever left the group with the pipes in hand keeps nobody waiting', async (t) => {
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
    await swept(group)
    const { pid, last } = await answer
    t.teardown(() => process.kill(pid, 'SIGKILL'))
    t.equal(last.length, 100_000, 'what was said before has been read')
    t.ok(isRunning(pid))
    t.ok(child.stdout.closed && child.stderr.closed)
  }
})

t.test('once the child is gone nobody is asked or told any more', async (t) => {
  const { child, exited, ask } = start(t, rascal())
  await ask('ping')
  const group = new ProcessGroup(child, 10)
  group.leave()
  await exited
  await swept(group)
  group.leave()
  group.signal('SIGTERM')
  t.pass('the test ends here, and no timer is left')
})

t.test('a time of zero is any time', async (t) => {
  const { child, exited, ask } = start(t, rascal('--ignore-eof'))
  const answer = ask('test/sleep', { ms: 100 })
  new ProcessGroup(child, 0).leave()
  await answer
  child.kill('SIGUSR2')
  t.strictSame(await exited, [null, 'SIGUSR2'], 'it was sent nothing else')
})

t.test('on Windows the whole tree is ended by taskkill', async (t) => {
  const kill = '#!/bin/sh\necho "$@" > "$0.args"; kill -KILL "$2"\n'
  const directory = t.testdir({ taskkill: kill })
  chmodSync(join(directory, 'taskkill'), 0o755)
  const { PATH } = process.env
  t.teardown(() => (process.env.PATH = PATH))
  process.env.PATH = `${directory}:${PATH}`

  const { child, exited, ask } = start(t, rascal('--ignore-eof'))
  await ask('ping')
  const group = new ProcessGroup(child, 50, 'win32')
  group.leave()
  t.strictSame(await exited, [null, 'SIGKILL'])
  t.equal(readFileSync(join(directory, 'taskkill.args'), 'utf8'), `/pid ${child.pid} /T /F\n`)
  await swept(group)
})

t.test('on Windows without taskkill the child at least is ended', async (t) => {
  const { PATH } = process.env
  t.teardown(() => (process.env.PATH = PATH))
  const { child, exited, ask } = start(t, rascal('--ignore-eof'))
  await ask('ping')
  process.env.PATH = t.testdir()
  const group = new ProcessGroup(child, 50, 'win32')
  group.leave()
  t.strictSame(await exited, [null, 'SIGTERM'])
  await swept(group)
})
