// Chunks of bytes that are joined later.

import t from 'tap'
import { ChunkList } from '../../lib/framing/chunk-list.ts'
import { randomFrom } from '../interop/random-json.ts'

t.test('chunks of any size are joined in their order', async (t) => {
  const random = randomFrom(5)
  const list = new ChunkList()
  t.equal(list.join().length, 0)
  for (let round = 0; round < 50; round++) {
    const chunks = Array.from({ length: 60 }, (_, index) =>
      Buffer.alloc(Math.floor(random() ** 6 * 20_000), index + 1)
    )
    for (const chunk of chunks) list.add(chunk)
    const whole = Buffer.concat(chunks)
    t.equal(list.size, whole.length)
    t.ok((round % 2 === 0 ? list.join() : Buffer.concat(list.take())).equals(whole))
    t.equal(list.size, 0)
  }
})

t.test('a single chunk is not copied', async (t) => {
  const list = new ChunkList()
  for (const chunk of [Buffer.alloc(10), Buffer.alloc(10_000)]) {
    list.add(chunk)
    t.equal(list.join(), chunk)
  }
})

t.test('chunks of one byte are kept as a few large chunks', async (t) => {
  const list = new ChunkList()
  for (let count = 0; count < 100_000; count++) list.add(Buffer.of(count))
  t.ok(list.take().length < 10)
})
