// The last entries of the traffic page.

import t from 'tap'
import type { AnyEntry, MessageEntry, ProcessEntry } from '../../lib/inspect/entries.ts'
import { maxNames } from '../../lib/inspect/names.ts'
import { overhead, Ring, toJson } from '../../lib/inspect/ring.ts'
import type { Subject } from '../../lib/inspect/ring.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import { memoryInUse } from '../memory.ts'
import { entry } from './entries.ts'

const line: ProcessEntry = {
  seq: 0,
  time: 0,
  type: 'stderr',
  server: '',
  pid: 1,
  command: 'a',
  line: 'abc'
}

/** Adds a message of so many bytes. */
function push(ring: Ring, size: number, filler = 'x', error?: number): void {
  const frame = makeFrame({ jsonrpc: '2.0', method: 'a' })
  const bytes = Buffer.alloc(size, filler)
  const passed = { from: 'client', frame: frame.withBytes(bytes), delivered: true } as const
  ring.pushMessage(1, 1, passed, undefined, error)
}

const pushLine = (ring: Ring, text?: string): void =>
  ring.push({ ...line, seq: ring.end, line: text })

t.test('the oldest entries go when there are too many', async (t) => {
  const ring = new Ring(0, 3)
  push(ring, 10)
  pushLine(ring, 'first')
  push(ring, 11)
  t.strictSame([ring.start, ring.end], [0, 3])
  push(ring, 12)
  pushLine(ring, 'second')
  t.strictSame([ring.start, ring.end], [2, 5])
  t.match(
    [2, 3, 4].map((seq) => ring.at(seq)),
    [
      { seq: 2, type: 'message', text: 'x'.repeat(11) },
      { seq: 3, type: 'message', text: 'x'.repeat(12) },
      { seq: 4, type: 'stderr', line: 'second' }
    ]
  )
})

t.test('an error goes with its message', async (t) => {
  const ring = new Ring(0, 2)
  const errors = (): unknown[] =>
    [0, 1].map((at) => (ring.at(ring.start + at) as MessageEntry).error)
  push(ring, 10, 'x', -32000)
  push(ring, 10)
  t.strictSame(errors(), [-32000, undefined])
  push(ring, 10)
  push(ring, 10, 'x', 1)
  t.strictSame(errors(), [undefined, 1])
})

t.test('the oldest entries go when they take too much memory, but the newest stays', async (t) => {
  const ring = new Ring(2 * (overhead + 100))
  for (let count = 0; count < 2; count++) push(ring, 100)
  t.strictSame([ring.start, ring.end], [0, 2], 'at the limit')
  push(ring, 101)
  t.strictSame([ring.start, ring.end], [2, 3], 'one byte over the limit')
  push(ring, 100_000)
  t.strictSame([ring.start, ring.end], [3, 4])
  push(ring, 1)
  t.strictSame([ring.start, ring.end], [4, 5], 'a long message counts until it goes')
})

t.test('a message costs its bytes, and a line its length', async (t) => {
  const fits = (max: number, add: (ring: Ring) => void): boolean => {
    const ring = new Ring(max)
    add(ring)
    pushLine(ring)
    return ring.start === 0
  }
  for (const [cost, add] of [
    [7, (ring: Ring) => push(ring, 7)],
    [4, (ring: Ring) => push(ring, 4, 'é')],
    [3, (ring: Ring) => pushLine(ring, 'abc')],
    [0, (ring: Ring) => pushLine(ring)],
    [
      0,
      (ring: Ring) => ring.push({ seq: 0, time: 0, type: 'refusal', error: 'E', message: 'long' })
    ]
  ] as const) {
    t.ok(fits(2 * overhead + cost, add), `${cost}`)
    if (cost > 0) t.notOk(fits(2 * overhead + cost - 1, add), `less than ${cost}`)
  }
})

t.test('each message is what it was, while others of all sizes come and go', async (t) => {
  const ring = new Ring(0, 400)
  const texts: string[] = []
  const sizes = [1, 50, 5000, 32_767, 32_768, 32_769, 100_000, 3]
  for (let seq = 0; seq < 4000; seq++) {
    const size = sizes[(seq * 7 + (seq >> 5)) % sizes.length] as number
    const filler = `${seq} é `
    if (seq % 13 === 0) pushLine(ring, filler)
    else push(ring, size, filler)
    texts.push(seq % 13 === 0 ? filler : Buffer.alloc(size, filler).toString())
    if (seq % 100 !== 99) continue
    for (let kept = ring.start; kept < ring.end; kept += 3) {
      const found = ring.at(kept) as MessageEntry | ProcessEntry
      const text = found.type === 'message' ? found.text : found.line
      if (text !== texts[kept]) return t.fail(`entry ${kept} of ${ring.end}`)
    }
  }
  t.equal(ring.end - ring.start, 400)
})

t.test('a message has its method and its name, however many there are', async (t) => {
  const ring = new Ring(0, 6)
  const frame = makeFrame({ jsonrpc: '2.0', id: 1, method: 'a' })
  const passed = { from: 'client', frame, delivered: true } as const
  const long = 'x'.repeat(300)
  const subject = (method: string, name?: string): Subject => ({ method, name, call: 0, time: 0 })
  const named = (first: number): unknown[] =>
    [0, 1, 2, 3, 4].map((at) => {
      const { method, name } = ring.at(first + at) as MessageEntry
      return [method, name]
    })
  const all = ['known', 'new\ud800', long].map((name) => subject('m', name))
  const subjects = [...all, subject(long), subject('m')]
  const texts = subjects.map(({ method, name }) => [method, name])
  for (const one of subjects) ring.pushMessage(1, 1, passed, one, undefined)
  t.strictSame(named(0), texts)
  for (let count = 0; count < maxNames; count++) {
    ring.pushMessage(1, 1, passed, subject('m', `name ${count}`), undefined)
  }
  const last = ring.at(ring.end - 1) as MessageEntry
  t.equal(last.name, `name ${maxNames - 1}`, 'a name without a number')
  for (const one of subjects) ring.pushMessage(1, 1, passed, one, undefined)
  t.strictSame(named(ring.end - 5), texts)
  ring.pushMessage(1, 1, passed, undefined, undefined)
  t.equal((ring.at(ring.end - 1) as MessageEntry).method, undefined)
})

t.test('texts that are gone leave their memory to others', async (t) => {
  const frame = makeFrame({ jsonrpc: '2.0', method: 'a' })
  for (const size of [10_000, 40_000]) {
    const ring = new Ring(1024 * 1024)
    const long = {
      from: 'client',
      frame: frame.withBytes(Buffer.alloc(size)),
      delivered: true
    } as const
    const before = memoryInUse()
    for (let count = 0; count < 20_000; count++) {
      ring.pushMessage(1, 1, long, undefined, undefined)
      if (count % 1000 === 0) await new Promise(setImmediate)
    }
    const more = memoryInUse() - before
    t.ok(ring.end === 20_000 && more < 3 * 1024 * 1024, `${more} bytes of ${20_000 * size}`)
  }
})

t.test('an entry becomes JSON with the text of its message', async (t) => {
  const message: AnyEntry = entry({ seq: 4, size: 3, text: 'xxx' })
  t.match(JSON.parse(toJson(message)), { seq: 4, type: 'message', text: 'xxx' })
  t.strictSame(JSON.parse(toJson(line)), line)
})
