// Being told to stop.

import t from 'tap'
import { onStop } from '../../lib/cli/signals.ts'

t.test('each signal is told, and whether it is not the first', async (t) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const told: boolean[] = []
    const release = onStop((again) => told.push(again))
    process.emit(signal)
    t.strictSame(told, [false])
    process.emit('SIGHUP')
    process.emit(signal)
    t.strictSame(told, [false, true, true])
    release()
  }
})

t.test('nothing is told afterwards, and nothing is left', async (t) => {
  const before = process.listenerCount('SIGTERM')
  onStop(() => t.fail('after the end'))()
  t.equal(process.listenerCount('SIGTERM'), before)
})
