// A table of ids does what a Map does.

import t from 'tap'
import { IdTable } from '../../lib/message/id-table.ts'
import type { Id } from '../../lib/protocol/json-rpc.ts'

/** Numbers from 0 to 1, the same in each run. */
function* numbers(seed: number): Generator<number, number> {
  for (let state = seed; ; state = (state * 48_271) % 0x7fffffff) yield state / 0x7fffffff
}

// Numbers that share their lowest bits share a place. The others are no integers, or have no such bits.
const ids: Id[] = [
  ...Array.from({ length: 40 }, (_, n) => n),
  ...Array.from({ length: 20 }, (_, n) => 128 * n),
  ...[-1, -8, -0.5, 0.5, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 53, 1e300, -1e300],
  ...['', '0', '1', 'a', 1n, 7n]
]

const sorted = (all: Iterable<unknown>): string[] => [...all].map(String).sort()

t.test('each operation gives the result of a Map', (t) => {
  const random = numbers(7)
  const next = (size: number): number => Math.floor(random.next().value * size)
  const table = new IdTable<number | undefined>()
  const map = new Map<Id, number | undefined>()
  for (let n = 0; n < 20_000; n++) {
    const id = ids[next(ids.length)] as Id
    if (n % 5000 === 4999) {
      table.clear()
      map.clear()
    } else if (next(2) === 0) {
      const value = next(10) === 0 ? undefined : n
      table.set(id, value)
      map.set(id, value)
    } else if (table.delete(id) !== map.delete(id)) t.fail(`delete ${id}`)
    const other = ids[next(ids.length)] as Id
    if (table.has(other) !== map.has(other)) t.fail(`has ${other}`)
    if (table.get(other) !== map.get(other)) t.fail(`get ${other}`)
    if (table.size !== map.size) t.fail(`${table.size} instead of ${map.size}`)
    if (n % 100 > 0) continue
    t.strictSame(sorted(table.ids), sorted(map.keys()))
    t.strictSame(sorted(table.values), sorted(map.values()))
  }
  t.end()
})

t.test('a new table takes any two ids', (t) => {
  for (const first of ids) {
    for (const second of ids) {
      const table = new IdTable<string>()
      table.set(first, 'first')
      t.strictSame([table.ids, table.values, table.size], [[first], ['first'], 1])
      table.set(second, 'second')
      t.strictSame(sorted(table.ids), sorted(new Set([first, second])))
      t.equal(table.delete(first), true)
      t.strictSame(table.ids, first === second ? [] : [second])
    }
  }
  t.end()
})

t.test('ids that count up, and few at a time, need no Map', (t) => {
  const table = new IdTable<string>()
  const { set } = Map.prototype
  let calls = 0
  Map.prototype.set = function (...entry) {
    calls++
    return set.apply(this, entry)
  }
  try {
    for (let id = 0; id < 10_000; id++) {
      table.set(id, `${id}`)
      table.delete(id - 100)
    }
  } finally {
    Map.prototype.set = set
  }
  t.strictSame([calls, table.size], [0, 100])
  t.end()
})
