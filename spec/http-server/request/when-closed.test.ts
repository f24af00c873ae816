// Callbacks for the end of an HTTP response.

import t from 'tap'
import { whenClosed } from '../../../lib/http-server/request/when-closed.ts'
import { receiveRequest } from '../helpers.ts'

t.test('the callbacks of a response come in their order, with one listener', async (t) => {
  const { response, socket } = await receiveRequest(t)
  const before = response.listenerCount('close')
  const calls: number[] = []
  for (const n of [1, 2, 3]) whenClosed(response, () => calls.push(n))
  t.equal(response.listenerCount('close'), before + 1)
  const closed = new Promise((resolve) => response.once('close', resolve))
  socket.destroy()
  await closed
  t.strictSame(calls, [1, 2, 3])
})
