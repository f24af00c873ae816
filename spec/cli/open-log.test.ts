// Where the log goes.

import { mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import t from 'tap'
import { openLog } from '../../lib/cli/open-log.ts'
import { client, sse } from './parse.ts'

const levelsAndMessages = (file: string): unknown[] =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { level: string; message: string })
    .map(({ level, message }) => [level, message])

t.test('without a file it goes to stderr', async (t) => {
  const written = t.capture(process.stderr, 'write', () => true)
  const { log, file } = await openLog(await client([sse]))
  log.error('broken')
  t.match(written.args(), [[/^\[E .*\] broken\n$/]])
  t.equal(file, undefined)
})

t.test('a file gets the warnings and the log, and is opened again', async (t) => {
  const path = `${t.testdir()}/log`
  const flags = ['--log-format', 'json', '--log-file', path, '--port', '1']
  const { log, file } = await openLog(await client([sse, ...flags]))
  log.info('one')
  await new Promise<void>((resolve) => file?.write('{}', resolve))
  renameSync(path, `${path}.1`)
  await file?.reopen()
  log.info('two')
  await file?.close()
  const [first, ...others] = levelsAndMessages(`${path}.1`)
  t.match(first, ['WARNING', /^ignored with a URL: --port/])
  t.strictSame(others.slice(0, 1), [['INFO', 'one']])
  t.strictSame(levelsAndMessages(path), [['INFO', 'two']])
  if (process.platform !== 'win32') t.equal(statSync(path).mode & 0o777, 0o600)
})

t.test('a file that cannot be opened is an error', async (t) => {
  const path = `${t.testdir()}/log`
  mkdirSync(path)
  const config = await client([sse, '--log-file', path])
  await t.rejects(openLog(config), { code: 'ERR_CONFIG', message: /^cannot write the log to / })
})

t.test('lines go to stderr while the file cannot be written', async (t) => {
  const written = t.capture(process.stderr, 'write', () => true)
  const { log, file } = await openLog(await client([sse, '--log-file', `${t.testdir()}/log`]))
  file?.stop(new Error('full'))
  log.warn('later')
  await file?.close()
  t.match(written.args(), [[/cannot write the log to .*; the log stops\n$/], [/\] later\n$/]])
})

t.test('a file that takes its lines too slowly loses some, and says so', async (t) => {
  const path = `${t.testdir()}/log`
  const { log, file } = await openLog(await client([sse, '--log-file', path]))
  const line = 'x'.repeat(4000)
  for (let n = 0; n < 1000; n++) log.info(line)
  await new Promise<void>((resolve) => file?.write('', resolve))
  log.info('last')
  await file?.close()
  const text = readFileSync(path, 'utf8')
  t.match(text, /\] \d+ lines were dropped: the file took them too slowly\n.*\] last\n$/)
  t.ok(text.length < 2 * 1024 * 1024)
})
