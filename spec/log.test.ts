// The log of those who want none.

import t from 'tap'
import { silent } from '../lib/log.ts'
import type { Log } from '../lib/log.ts'

t.test('a silent log takes whatever it is told, and says nothing', async (t) => {
  const captured = t.capture(process.stderr, 'write')
  for (const level of ['debug', 'info', 'warn', 'error'] as const) silent[level]('x')
  t.strictSame(captured(), [])
})

t.test('a console is a log', async (t) => {
  const log: Log = console
  t.type(log.warn, 'function')
})
