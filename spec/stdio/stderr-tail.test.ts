// A server's stderr as lines.

import t from 'tap'
import { StderrTail } from '../../lib/stdio/stderr-tail.ts'
import { cuts } from '../helpers.ts'

t.test('the same bytes give the same lines wherever they are cut', async (t) => {
  const bytes = Buffer.from('one é😀\r\n\n \t\ntwo\nthree')
  for (const parts of cuts(bytes)) {
    const heard: string[] = []
    const tail = new StderrTail((line) => heard.push(line))
    for (const part of parts) tail.feed(part)
    t.strictSame(heard, ['one é😀', 'two'], 'a line is handed out when it ends')
    tail.end()
    tail.end()
    t.strictSame(heard, ['one é😀', 'two', 'three'])
    t.strictSame(tail.lines, heard)
  }
})

t.test('an incomplete character at the end becomes a replacement character', async (t) => {
  const tail = new StderrTail(() => {})
  tail.feed(Buffer.from([0x61, 0xe2, 0x82]))
  tail.end()
  t.strictSame(tail.lines, ['a\ufffd'])
})

t.test('only the last lines are kept, and only the start of each', async (t) => {
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

t.test('a line without a newline does not grow without limit', async (t) => {
  const tail = new StderrTail(() => {})
  for (let i = 0; i < 1000; i++) tail.feed(Buffer.from(`\rprogress: ${i}`))
  tail.end()
  t.equal(tail.lines.length, 1)
  t.equal(tail.lines[0]?.length, 1000)
  t.ok(tail.lines[0]?.endsWith('progress: 999'))
})
