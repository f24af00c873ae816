// The frames that a client has not taken yet.

import t from 'tap'
import { FrameQueue } from '../../lib/streams/frame-queue.ts'
import { request } from '../helpers.ts'

const frame = request(1, 'ping')
const { length: size } = frame.bytes

t.test('a frame that would exceed the limit is refused, and the others stay', async (t) => {
  const queue = new FrameQueue(2 * size)
  t.equal(queue.push(frame), undefined)
  t.equal(queue.push(frame), undefined, 'exactly the limit')
  t.match(queue.push(frame), {
    code: 'ERR_CLIENT_SLOW',
    message: `the client has not read ${2 * size} bytes (see --max-queue)`
  })
  t.equal(queue.length, 2)
  t.equal(queue.shift(), frame)
  t.equal(queue.push(frame), undefined, 'there is room again')
  t.strictSame(queue.take(), [frame, frame])
  t.equal(queue.shift(), undefined)
})

t.test('an empty queue takes a frame of any size', async (t) => {
  const queue = new FrameQueue(1)
  t.equal(queue.push(frame), undefined)
  t.match(queue.push(frame), { code: 'ERR_CLIENT_SLOW' })
  queue.take()
  t.equal(queue.push(frame), undefined)
})
