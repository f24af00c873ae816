// The start and the end of the process.

import { PassThrough, Writable } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { exit, runCommand } from '../../lib/cli/command.ts'
import { killGroups } from '../../lib/stdio/running-groups.ts'

/** Puts streams in place of stdout and stderr. Resolves, at `process.exit`, to the exit code. */
function intercept(t: Test, stdout: Writable, stderr: Writable): Promise<unknown> {
  t.intercept(process, 'stdout', { value: stdout as never })
  t.intercept(process, 'stderr', { value: stderr as never })
  const exitCode = process.exitCode
  return new Promise((resolve) => {
    t.capture(process, 'exit', (() => {
      resolve(process.exitCode)
      process.exitCode = exitCode
    }) as never)
  })
}

const drained = (): PassThrough => new PassThrough().resume()

t.test('a process without output to write exits at once', async (t) => {
  const exited = intercept(t, drained(), drained())
  const began = performance.now()
  void exit(2)
  t.equal(await exited, 2)
  t.ok(performance.now() - began < 100)
})

t.test('queued output goes out before the process exits', async (t) => {
  const taken: string[] = []
  const slow = new Writable({
    write(chunk, _encoding, callback) {
      taken.push(String(chunk))
      setTimeout(callback, 30)
    }
  })
  const exited = intercept(t, slow, drained())
  for (const text of ['a', 'b', 'c']) slow.write(text)
  void exit(0)
  t.equal(await exited, 0)
  t.match(taken, ['a', 'b', 'c'])
})

t.test('a full pipe delays the exit by less than 500 ms', async (t) => {
  const stuck = new Writable({ write() {} })
  const exited = intercept(t, drained(), stuck)
  stuck.write('x')
  const began = performance.now()
  void exit(1)
  t.equal(await exited, 1)
  t.ok(performance.now() - began < 500)
})

t.test('a closed output does not delay the exit', async (t) => {
  const closed = drained()
  closed.destroy()
  const failing = new Writable({
    write(_chunk, _encoding, callback) {
      setTimeout(() => callback(new Error('EPIPE')), 10)
    }
  })
  const exited = intercept(t, closed, failing)
  failing.write('x')
  failing.write('y')
  const began = performance.now()
  void exit(0)
  t.equal(await exited, 0)
  t.ok(performance.now() - began < 200)
})

t.test('it runs with the arguments of the process, and exits with its code', async (t) => {
  const on = t.capture(process, 'on', () => process)
  for (const [flag, code, output] of [
    ['--version', 0, /^mcp-proxy \d/],
    ['--unknown', 2, /^mcp-proxy: .*--unknown/]
  ] as const) {
    const streams = new PassThrough()
    const exited = intercept(t, streams, streams)
    t.intercept(process, 'argv', { value: ['node', 'mcp-proxy', flag] })
    const written = streams.map(String).toArray()
    void runCommand(() => {})
    t.equal(await exited, code)
    streams.end()
    t.match((await written).join(''), output)
  }
  const listeners = on().map(({ args }) => args as [string, unknown])
  t.strictSame(listeners.find(([name]) => name === 'exit')?.[1], killGroups)
})

t.test('an exception that no code catches is one line, and the exit code is 1', async (t) => {
  const on = t.capture(process, 'on', () => process)
  const stderr = new PassThrough()
  t.intercept(process, 'argv', { value: ['node', 'mcp-proxy', '--version'] })
  const first = intercept(t, drained(), stderr)
  void runCommand(() => {})
  await first
  const listeners = new Map(on().map(({ args: [event, listener] }) => [String(event), listener]))
  const listenerOf = (event: string) => listeners.get(event) as unknown as (error?: Error) => void
  listenerOf('SIGUSR1')()
  const exited = intercept(t, drained(), stderr)
  listenerOf('uncaughtException')(new Error('out\nof luck'))
  t.equal(await exited, 1)
  t.equal(String(stderr.read()), 'mcp-proxy: internal error: out | of luck\n')
})
