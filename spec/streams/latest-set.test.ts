// A set that knows the item that was added last.

import t from 'tap'
import { LatestSet, Link } from '../../lib/streams/latest-set.ts'

class Item extends Link {
  readonly name: string | number

  constructor(name: string | number) {
    super()
    this.name = name
  }
}

t.test('the latest item is the one that was added last and not deleted', async (t) => {
  const set = new LatestSet<Item>()
  t.equal(set.latest, undefined)
  const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map((name) => new Item(name)) as [
    Item,
    Item,
    Item,
    Item,
    Item
  ]
  set.delete(a)
  for (const item of [a, b, c, d]) set.add(item)
  t.equal(set.latest, d)
  set.delete(b)
  set.delete(d)
  t.equal(set.latest, c)
  t.equal(set.size, 2)
  set.add(a)
  t.equal(set.latest, a, 'an item that is added again')
  set.delete(a)
  set.delete(c)
  t.equal(set.latest, undefined)
  set.add(e)
  t.equal(set.latest, e)
})

t.test('an item that is added to a set leaves its earlier set', async (t) => {
  const [one, two] = [new LatestSet<Item>(), new LatestSet<Item>()]
  const item = new Item('a')
  one.add(item)
  two.add(item)
  t.equal(one.size, 0)
  t.equal(two.latest, item)
  one.delete(item)
  t.equal(two.size, 1, 'another set cannot delete it')
})

t.test('it behaves like a list in random use', async (t) => {
  const set = new LatestSet<Item>()
  const items = Array.from({ length: 20 }, (_, number) => new Item(number))
  let list: Item[] = []
  for (let step = 0; step < 5000; step++) {
    const item = items[Math.floor(Math.random() * items.length)] as Item
    list = list.filter((other) => other !== item)
    if (Math.random() < 0.5) {
      set.add(item)
      list.push(item)
    } else set.delete(item)
    if (set.latest !== list.at(-1) || set.size !== list.length) t.fail(`differs at step ${step}`)
  }
})
