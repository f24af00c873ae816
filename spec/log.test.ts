// The log of those who want none.

import t from 'tap'
import { silent, warnOnce } from '../lib/log.ts'
import type { Log } from '../lib/log.ts'
import { KeptLog } from './helpers.ts'

t.test('a silent log takes whatever it is told, and says nothing', async (t) => {
  const captured = t.capture(process.stderr, 'write')
  for (const level of ['debug', 'info', 'warn', 'error'] as const) silent[level]('x')
  t.strictSame(captured(), [])
})

t.test('a console is a log', async (t) => {
  const log: Log = console
  t.type(log.warn, 'function')
})

t.test('a warning is logged once for each log', async (t) => {
  const [first, second] = [new KeptLog(), new KeptLog()]
  for (const log of [first, first, second]) warnOnce(log, 'a')
  warnOnce(first, 'b')
  t.strictSame([...first.lines], ['warn: a', 'warn: b'])
  t.strictSame([...second.lines], ['warn: a'])
})
