// A server's stderr as lines.

import t from 'tap'
import { StderrTail } from '../../lib/stdio/stderr-tail.ts'
import { cuts } from '../helpers.ts'

t.test('the same bytes give the same lines wherever they are cut', async (t) => {
  const bytes = Buffer.from('one é😀\r\n\n \t\ntwo\nthree')
  for (const parts of cuts(bytes)) {
    const told: string[] = []
    const tail = new StderrTail((line) => told.push(line))
    for (const part of parts) tail.feed(part)
    t.strictSame(told, ['one é😀', 'two'], 'a line is told when it ends')
    tail.end()
    tail.end()
    t.strictSame(told, ['one é😀', 'two', 'three'])
    t.strictSame(tail.lines, told)
  }
})

t.test('what is cut in a character at its end is told as far as it goes', async (t) => {
  const tail = new StderrTail(() => {})
  tail.feed(Buffer.from([0x61, 0xe2, 0x82]))
  tail.end()
  t.strictSame(tail.lines, ['a\ufffd'])
})

t.test('the last lines are kept, and of each only so much', async (t) => {
  let count = 0
  const tail = new StderrTail(() => count++)
  for (let i = 0; i < 100; i++) tail.feed(Buffer.from(`line ${i}\n`))
  tail.feed(Buffer.from(`${'long'.repeat(1000)}\n`))
  t.equal(count, 101)
  t.strictSame(
    tail.lines.slice(0, 9),
    [91, 92, 93, 94, 95, 96, 97, 98, 99].map((i) => `line ${i}`)
  )
  t.equal(tail.lines.length, 10)
  t.equal(tail.lines[9], 'long'.repeat(250))
})

t.test('a line without an end does not grow without end', async (t) => {
  const tail = new StderrTail(() => {})
  for (let i = 0; i < 1000; i++) tail.feed(Buffer.from(`\rprogress: ${i}`))
  tail.end()
  t.equal(tail.lines.length, 1)
  t.equal(tail.lines[0]?.length, 1000)
  t.ok(tail.lines[0]?.endsWith('progress: 999'))
})
