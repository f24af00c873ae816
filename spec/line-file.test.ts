// A file that lines are appended to. The tests of recordings hold the rest.

import { PassThrough } from 'node:stream'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { LineFile, timestamp } from '../lib/line-file.ts'
import { KeptLog } from './helpers.ts'

t.test('`-` is stdout, which stays open', async (t) => {
  const output = new PassThrough()
  const text: string[] = []
  output.on('data', (chunk: Buffer) => text.push(String(chunk)))
  t.intercept(process, 'stdout', { value: output as never })
  const log = new KeptLog()
  const file = await LineFile.open('-', { what: 'audit log', log })
  file.write('a')
  await file.reopen()
  file.write('b')
  await file.close()
  t.strictSame(text.join(''), 'a\nb\n')
  t.notOk(output.writableEnded)
  t.notOk(file.isWritable)
  t.equal(file.waiting, 0)
  t.strictSame([...log.lines], [])
})

t.test('when the reader of stdout has left, writing stops', async (t) => {
  const output = new PassThrough()
  t.intercept(process, 'stdout', { value: output as never })
  const log = new KeptLog()
  const file = await LineFile.open('-', { what: 'audit log', log })
  output.destroy(new Error('EPIPE'))
  await new Promise((resolve) => output.once('close', resolve))
  t.notOk(file.isWritable)
  let called = false
  file.write('a', () => (called = true))
  t.ok(called, 'nobody waits for the line')
  t.strictSame(
    [...log.lines],
    ['error: cannot write the audit log to -: EPIPE; the audit log stops']
  )
  await file.close()
})

t.test('`stop` writes the lines that wait, and `reopen` begins again', async (t) => {
  const name = `${t.testdir()}/file`
  const log = new KeptLog()
  const file = await LineFile.open(name, { what: 'audit log', log })
  file.write('a')
  t.equal(file.waiting, 2)
  file.stop(new Error('too slow'))
  t.notOk(file.isWritable)
  file.write('lost')
  await file.reopen()
  t.ok(file.isWritable)
  file.write('b')
  await file.close()
  t.strictSame(readFileSync(name, 'utf8').split('\n').sort(), ['', 'a', 'b'])
  t.match(
    [...log.lines],
    [/^error: cannot write the audit log to .*: too slow; the audit log stops$/]
  )
})

t.test('lines of one turn are in order, and `close` waits for them', async (t) => {
  const name = `${t.testdir()}/file`
  const file = await LineFile.open(name, { what: 'audit log', log: new KeptLog() })
  const lines = Array.from({ length: 1000 }, (_, index) => `line ${index}`)
  let written = 0
  for (const [index, line] of lines.entries()) {
    file.write(line, () => written++)
    if (index % 300 === 299) await new Promise(setImmediate)
  }
  t.ok(file.waiting > 0)
  await file.close()
  t.equal(written, 1000)
  t.equal(readFileSync(name, 'utf8'), `${lines.join('\n')}\n`)
})

t.test('`stop` leaves stdout open', async (t) => {
  const output = new PassThrough()
  t.intercept(process, 'stdout', { value: output as never })
  const file = await LineFile.open('-', { what: 'audit log', log: new KeptLog() })
  file.stop(new Error('too slow'))
  t.notOk(output.writableEnded)
  await file.reopen()
  t.ok(file.isWritable)
})

t.test('the time of a line is the time of the clock', async (t) => {
  for (const time of [0, 1, 1, 2000, 1999]) {
    t.intercept(Date, 'now', { value: () => time })
    t.equal(timestamp(), new Date(time).toISOString())
  }
})
