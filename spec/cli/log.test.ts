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
  t.match(lines[0], /^\[W \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] slow\n$/)
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
  t.strictSame(lines, ['a | b | c | d\n'])
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
