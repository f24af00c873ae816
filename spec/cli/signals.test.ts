// The signals to stop.

import t from 'tap'
import { onStop } from '../../lib/cli/signals.ts'

t.test('each signal calls back, with `again` from the second on', async (t) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
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
