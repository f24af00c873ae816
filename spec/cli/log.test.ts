// The log of the command.

import t from 'tap'
import { createLog } from '../../lib/cli/log.ts'
import type { LogLevel } from '../../lib/config/config.ts'
import { withContext } from '../../lib/log.ts'

const text = { level: 'INFO', format: 'text' } as const

function linesAt(level: LogLevel): string[] {
  const lines: string[] = []
  const log = createLog({ level, format: 'text' }, (line) => lines.push(line))
  log.debug('d')
  log.info('i')
  log.warn('w')
  log.error('e')
  return lines
}

t.test('a message is one line with its level and the time', async (t) => {
  const lines: string[] = []
  createLog(text, (line) => lines.push(line)).warn('slow')
  t.equal(lines.length, 1)
  t.match(lines[0], /^\[W \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] slow$/)
})

t.test('the time is local', async (t) => {
  const before = Date.now()
  let line = ''
  createLog(text, (written) => (line = written)).info('now')
  const time = new Date(line.slice(3, 26).replace(' ', 'T')).getTime()
  t.ok(time >= before && time <= Date.now())
})

t.test('line breaks in a message do not break its line', async (t) => {
  const lines: string[] = []
  const log = createLog(text, (line) => lines.push(line.slice(28)))
  log.info('a\nb\r\n  c\rd\n\n')
  t.strictSame(lines, ['a | b | c | d'])
})

t.test('control characters and bidirectional overrides in a message are escaped', async (t) => {
  const lines: string[] = []
  const log = createLog(text, (line) => lines.push(line.slice(28)))
  log.warn('\x1b[31mred\x07 \x9b2J \u202eevil\u2066')
  log.error('one\u2028[E 2026-01-01 00:00:00.000] forged\u2029two')
  t.strictSame(lines, [
    '\\u001b[31mred\\u0007 \\u009b2J \\u202eevil\\u2066',
    'one | [E 2026-01-01 00:00:00.000] forged | two'
  ])
})

t.test('a message of a million line breaks or spaces takes no time', async (t) => {
  const log = createLog(text, () => {})
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

t.test('a message in JSON is an object, with what the message is about', async (t) => {
  const lines: string[] = []
  const log = createLog({ level: 'DEBUG', format: 'json' }, (line) => lines.push(line))
  log.info('plain')
  log.error('broken\u202e\n"x"', {
    server: 'a',
    session: '01234567',
    principal: 'p',
    code: 'ERR_X'
  })
  const [plain, broken] = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  t.strictSame(Object.keys(plain ?? {}), ['time', 'level', 'message'])
  t.match(plain, { time: /^\d{4}-\d\d-\d\dT.*Z$/, level: 'INFO', message: 'plain' })
  t.match(broken, {
    level: 'ERROR',
    message: 'broken\\u202e | "x"',
    server: 'a',
    session: '01234567',
    principal: 'p',
    code: 'ERR_X'
  })
})

t.test('a message in text begins with what it is about', async (t) => {
  const lines: string[] = []
  const log = withContext(
    createLog(text, (line) => lines.push(line.slice(28))),
    { server: 'a\nb' }
  )
  log.warn('one')
  log.error('two', { session: '0123', code: 'ERR_X' })
  t.strictSame(lines, ['a | b: one', 'a | b, session 0123: two'])
})
