// Things under numbers.

import t from 'tap'
import { Slots } from '../../lib/streams/slots.ts'
import { randomFrom } from '../interop/random-json.ts'

t.test('each has a number of its own, from one upwards', async (t) => {
  const slots = new Slots<string>()
  t.equal(slots.size, 0)
  t.strictSame(slots.all, [])
  t.strictSame(
    ['a', 'b', 'c'].map((item) => slots.add(item)),
    [1, 2, 3]
  )
  t.equal(slots.size, 3)
  t.equal(slots.get(2), 'b')
  t.equal(slots.delete(2), 'b')
  t.equal(slots.delete(2), undefined)
  t.equal(slots.get(2), undefined)
  t.equal(slots.add('d'), 4, 'no number is given again')
  t.equal(slots.skip(), 5)
  t.equal(slots.get(5), undefined, 'a number without an item')
  t.strictSame(slots.all.sort(), ['a', 'c', 'd'])
  t.equal(slots.size, 3)
})

t.test('what is no number of theirs has nothing', async (t) => {
  const slots = new Slots<string>()
  slots.add('a')
  // 65 has the same place as 1.
  for (const number of [0, -1, 65, 1.5, NaN, Infinity, -63]) {
    t.equal(slots.get(number), undefined, String(number))
    t.equal(slots.delete(number), undefined)
  }
  t.equal(slots.size, 1)
})

t.test('one that stays long is in the way of nobody', async (t) => {
  const slots = new Slots<number>()
  const first = slots.add(-1)
  for (let count = 0; count < 1000; count++) {
    const number = slots.add(count)
    t.equal(slots.get(first), -1)
    t.equal(slots.delete(number), count)
  }
  t.strictSame(slots.all, [-1])
})

t.test('what goes through all of them sees those that there were', async (t) => {
  const slots = new Slots<number>()
  const numbers = [10, 20, 30].map((item) => slots.add(item))
  const seen = []
  for (const item of slots.all) {
    for (const number of numbers) slots.delete(number)
    slots.add(0)
    seen.push(item)
  }
  t.strictSame(seen.sort(), [10, 20, 30])
})

t.test('it does as a Map does, whatever comes and goes, and however many', async (t) => {
  const random = randomFrom(64)
  const slots = new Slots<object>()
  const expected = new Map<number, object>()
  for (let round = 0; round < 20_000; round++) {
    // There are more and more, then fewer and fewer.
    if (random() < (round < 10_000 ? 0.6 : 0.4)) {
      const item = { round }
      const number = slots.add(item)
      if (expected.has(number)) t.fail(`${number} is taken`)
      expected.set(number, item)
    } else {
      const numbers = [...expected.keys()]
      const number = numbers[Math.floor(random() * numbers.length)] ?? 0
      if (slots.delete(number) !== expected.get(number)) t.fail(`${number} was another`)
      expected.delete(number)
    }
  }
  t.equal(slots.size, expected.size)
  for (const [number, item] of expected) if (slots.get(number) !== item) t.fail(String(number))
  t.strictSame(new Set(slots.all), new Set(expected.values()))
})
