// A set that knows the item that was added last.

import t from 'tap'
import { LatestSet } from '../../lib/streams/latest-set.ts'

t.test('the latest item is the one that was added last and not deleted', async (t) => {
  const set = new LatestSet<string>()
  t.equal(set.latest, undefined)
  set.delete('unknown')
  for (const item of ['a', 'b', 'c', 'd']) set.add(item)
  t.equal(set.latest, 'd')
  set.delete('b')
  set.delete('d')
  t.equal(set.latest, 'c')
  t.equal(set.size, 2)
  set.add('a')
  t.equal(set.latest, 'a', 'an item that is added again')
  set.delete('a')
  set.delete('c')
  t.equal(set.latest, undefined)
  set.add('e')
  t.equal(set.latest, 'e')
})

t.test('it behaves like a list in random use', async (t) => {
  const set = new LatestSet<number>()
  let list: number[] = []
  for (let step = 0; step < 5000; step++) {
    const item = Math.floor(Math.random() * 20)
    list = list.filter((other) => other !== item)
    if (Math.random() < 0.5) {
      set.add(item)
      list.push(item)
    } else set.delete(item)
    if (set.latest !== list.at(-1) || set.size !== list.length) t.fail(`differs at step ${step}`)
  }
})
