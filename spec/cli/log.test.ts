// The log of the command.

import t from 'tap'
import { createLog } from '../../lib/cli/log.ts'
import type { LogLevel } from '../../lib/config/config.ts'

function linesAt(level: LogLevel): string[] {
  const lines: string[] = []
  const log = createLog(level, (line) => lines.push(line))
  log.debug('d')
  log.info('i')
  log.warn('w')
  log.error('e')
  return lines
}

t.test('a message is one line with its level and the time', async (t) => {
  const lines: string[] = []
  createLog('INFO', (line) => lines.push(line)).warn('slow')
  t.equal(lines.length, 1)
  t.match(lines[0], /^\[W \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] slow$/)
})

t.test('the time is local', async (t) => {
  const before = Date.now()
  let line = ''
  createLog('INFO', (text) => (line = text)).info('now')
  const time = new Date(line.slice(3, 26).replace(' ', 'T')).getTime()
  t.ok(time >= before && time <= Date.now())
})

t.test('line breaks in a message do not break its line', async (t) => {
  const lines: string[] = []
  const log = createLog('INFO', (line) => lines.push(line.slice(28)))
  log.info('a\nb\r\n  c\rd\n\n')
  t.strictSame(lines, ['a | b | c | d'])
})

t.test('control characters and bidirectional overrides in a message are escaped', async (t) => {
  const lines: string[] = []
  const log = createLog('INFO', (line) => lines.push(line.slice(28)))
  log.warn('\x1b[31mred\x07 \x9b2J \u202eevil\u2066')
  log.error('one\u2028[E 2026-01-01 00:00:00.000] forged\u2029two')
  t.strictSame(lines, [
    '\\u001b[31mred\\u0007 \\u009b2J \\u202eevil\\u2066',
    'one | [E 2026-01-01 00:00:00.000] forged | two'
  ])
})

t.test('a message of a million line breaks or spaces takes no time', async (t) => {
  const log = createLog('INFO', () => {})
  const began = performance.now()
  for (const text of ['\n', ' ', ' \n', '\x1b']) log.error(text.repeat(1_000_000) + 'x')
  t.ok(performance.now() - began < 100)
})

t.test('messages under the level are dropped', async (t) => {
  const passed = (level: LogLevel) =>
    linesAt(level)
      .map((line) => line.charAt(1))
      .join('')
  t.equal(passed('DEBUG'), 'DIWE')
  t.equal(passed('INFO'), 'IWE')
  t.equal(passed('WARNING'), 'WE')
  t.equal(passed('ERROR'), 'E')
  t.equal(passed('CRITICAL'), '')
})

t.test('without a write function it goes to stderr', async (t) => {
  const written = t.capture(process.stderr, 'write', () => true)
  createLog('INFO').error('broken')
  t.match(written.args(), [[/^\[E .*\] broken\n$/]])
})
