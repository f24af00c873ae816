// The signals to stop.

import { PassThrough } from 'node:stream'
import t from 'tap'
import { onHangup, onStop } from '../../lib/cli/signals.ts'
import { runningGroups } from '../../lib/stdio/running-groups.ts'

t.test('each signal calls back, with `again` from the second on', async (t) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const) {
    const calls: boolean[] = []
    const release = onStop((again) => calls.push(again))
    process.emit(signal)
    t.strictSame(calls, [false])
    process.emit('SIGHUP')
    process.emit(signal)
    t.strictSame(calls, [false, true, true])
    release()
  }
})

t.test('after the release no signal calls back and no listener is left', async (t) => {
  const before = process.listenerCount('SIGTERM')
  onStop(() => t.fail('after the end'))()
  t.equal(process.listenerCount('SIGTERM'), before)
})

t.test('the second signal kills the servers, and the process exits within a second', async (t) => {
  const signals: string[] = []
  const group = { signal: (name: string) => signals.push(name) }
  runningGroups.add(group)
  t.teardown(() => runningGroups.delete(group))
  const began = performance.now()
  const exited = new Promise<void>((resolve) => {
    t.capture(process, 'exit', resolve as never)
  })
  const release = onStop(() => {})
  process.emit('SIGTERM')
  t.strictSame(signals, [])
  process.emit('SIGTERM')
  process.emit('SIGTERM')
  t.strictSame(signals, ['SIGKILL', 'SIGKILL'])
  await exited
  t.ok(performance.now() - began < 1000)
  release()
})

t.test('SIGHUP may do something else than stop', async (t) => {
  let count = 0
  const calls: boolean[] = []
  const release = onStop(
    (again) => calls.push(again),
    () => count++
  )
  process.emit('SIGHUP')
  process.emit('SIGHUP')
  t.equal(count, 2)
  t.strictSame(calls, [])
  process.emit('SIGTERM')
  t.strictSame(calls, [false])
  release()
})

t.test('SIGHUP opens files again, unless the process has a terminal', async (t) => {
  let count = 0
  const reopen = (): Promise<void> => {
    count++
    return Promise.resolve()
  }
  const recorder = { reopen, close: reopen }
  for (const name of ['stdin', 'stdout', 'stderr'] as const) {
    t.intercept(process, name, { value: new PassThrough() as never })
  }
  t.equal(onHangup(undefined), undefined)
  onHangup(recorder)?.()
  t.equal(count, 1)
  onHangup(undefined, recorder, { reopen })?.()
  t.equal(count, 3, 'it opens each file')
  for (const name of ['stdin', 'stdout', 'stderr'] as const) {
    const terminal = Object.assign(new PassThrough(), { isTTY: true })
    const intercepted = t.intercept(process, name, { value: terminal as never })
    t.equal(onHangup(recorder), undefined, name)
    intercepted.restore()
  }
})
