// One timer for all items that must not be silent for long.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { KeepAlive, keepAliveOf, SilentItem } from '../../lib/streams/keep-alive.ts'
import { countTimers, until } from '../http-server/helpers.ts'

class Item extends SilentItem {
  readonly calls: number[] = []

  override onSilence(): void {
    this.calls.push(performance.now())
  }
}

t.test('an item is called each time when it has been silent for the interval', async (t) => {
  const keepAlive = new KeepAlive(200)
  const item = new Item()
  const start = performance.now()
  keepAlive.add(item)
  await until(() => item.calls.length === 2)
  keepAlive.delete(item)
  const [first = 0, second = 0] = item.calls
  t.ok(first - start > 150, 'not early')
  t.ok(second - first > 150, 'not early')
})

t.test('an item that says something in time is not called', async (t) => {
  const keepAlive = new KeepAlive(1000)
  const item = new Item()
  const silent = new Item()
  keepAlive.add(item)
  keepAlive.add(silent)
  while (silent.calls.length === 0) {
    item.silentBeats = 0
    await sleep(10)
  }
  t.strictSame(item.calls, [])
  keepAlive.delete(item)
  keepAlive.delete(silent)
})

t.test('there is one timer for all items, and none without items', async (t) => {
  const before = countTimers()
  const keepAlive = new KeepAlive(10)
  const items = Array.from({ length: 10 }, () => new Item())
  for (const item of items) keepAlive.add(item)
  t.equal(countTimers(), before + 1)
  await until(() => items.every(({ calls }) => calls.length > 1))
  for (const item of items) keepAlive.delete(item)
  t.equal(countTimers(), before)
  keepAlive.delete(new Item())
})

t.test('an item may leave when it is called', async (t) => {
  const keepAlive = new KeepAlive(10)
  class Leaving extends Item {
    override onSilence(): void {
      super.onSilence()
      keepAlive.delete(this)
    }
  }
  const items = [new Leaving(), new Leaving(), new Leaving()]
  for (const item of items) keepAlive.add(item)
  await until(() => items.every(({ calls }) => calls.length === 1))
  await sleep(30)
  t.ok(items.every(({ calls }) => calls.length === 1))
})

t.test('items with the same interval have the same timer', async (t) => {
  t.equal(keepAliveOf(10), keepAliveOf(10))
  t.not(keepAliveOf(10), keepAliveOf(20))
})
