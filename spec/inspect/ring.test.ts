// The last entries of the traffic page.

import t from 'tap'
import { costOf, Ring, toJson } from '../../lib/inspect/ring.ts'
import type { AnyEntry } from '../../lib/inspect/entries.ts'
import { entry } from './entries.ts'

const kept = (seq: number, length: number): AnyEntry =>
  entry({ seq, size: length, text: 'x'.repeat(length) })

const line: AnyEntry = {
  seq: 0,
  time: 0,
  type: 'stderr',
  server: '',
  pid: 1,
  command: 'a',
  line: 'abc'
}

t.test('the oldest entries go when there are too many', async (t) => {
  const ring = new Ring(0, 3)
  for (let seq = 0; seq < 3; seq++) ring.push(kept(seq, 10))
  t.strictSame([ring.start, ring.end], [0, 3])
  for (let seq = 3; seq < 5; seq++) ring.push(kept(seq, 10))
  t.strictSame([ring.start, ring.end], [2, 5])
  t.strictSame(
    [2, 3, 4].map((seq) => ring.at(seq).seq),
    [2, 3, 4]
  )
})

t.test('the oldest entries go when they take too much memory, but the newest stays', async (t) => {
  const cost = costOf(kept(0, 100))
  const ring = new Ring(2 * cost)
  for (let seq = 0; seq < 2; seq++) ring.push(kept(seq, 100))
  t.strictSame([ring.start, ring.end], [0, 2], 'at the limit')
  ring.push(kept(2, 101))
  t.strictSame([ring.start, ring.end], [2, 3], 'one byte over the limit')
  ring.push(kept(3, 100_000))
  t.strictSame([ring.start, ring.end], [3, 4])
})

t.test('a message costs its bytes, and a line its length', async (t) => {
  t.equal(costOf(kept(0, 7)) - costOf(kept(0, 0)), 7)
  t.equal(costOf(entry({ size: 5, text: 'é日' })) - costOf(kept(0, 0)), 4)
  t.equal(costOf(line) - costOf({ ...line, line: undefined }), 3)
  t.equal(costOf({ ...line, type: 'start', line: undefined }), costOf(kept(0, 0)))
  const { line: _, ...start } = line
  t.equal(costOf(start as AnyEntry), costOf(kept(0, 0)))
})

t.test('an entry becomes JSON with the text of its message', async (t) => {
  t.match(JSON.parse(toJson(kept(4, 3))), { seq: 4, type: 'message', text: 'xxx' })
  t.strictSame(JSON.parse(toJson(line)), line)
})
