// When a frame may follow another.

import { test } from 'tap'
import { SendWindow } from '../../lib/http-client/send-window.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { notification, request, response } from '../helpers.ts'

class Writer {
  readonly sendWindow: SendWindow
  ready = false
  error: Error | null | undefined

  constructor(maxBytes: number) {
    this.sendWindow = new SendWindow(maxBytes)
  }

  send(frame: Frame, awaited = false): boolean {
    this.ready = false
    this.sendWindow.add(frame, awaited, (error) => {
      this.ready = true
      this.error = error
    })
    return this.ready
  }
}

test('a frame follows a request at once', async (t) => {
  const writer = new Writer(0)
  t.ok(writer.send(request(1, 'a')))
  t.ok(writer.send(request(2, 'b')))
  t.notOk(writer.sendWindow.allAcknowledged)
})

test('the next frame waits until an awaited one is finished', async (t) => {
  const writer = new Writer(0)
  const awaited = notification('a')
  t.notOk(writer.send(awaited, true))
  writer.sendWindow.finish(request(1, 'another'))
  t.notOk(writer.ready, 'another frame does not release it')
  writer.sendWindow.acknowledge(awaited)
  t.notOk(writer.ready, 'an acknowledgement does not release it either')
  t.ok(writer.sendWindow.allAcknowledged)
  writer.sendWindow.finish(awaited)
  t.ok(writer.ready)
  t.equal(writer.error, undefined)
})

test('several frames that the server does not acknowledge delay the next one only once', async (t) => {
  const { sendWindow } = new Writer(0)
  const send = (frame: Frame): Promise<number> => {
    const began = performance.now()
    return new Promise((resolve) =>
      sendWindow.add(frame, true, () => resolve(performance.now() - began), 60)
    )
  }
  const first = notification('a')
  t.ok((await send(first)) > 55)
  t.ok((await send(notification('b'))) < 50)
  t.ok((await send(notification('c'))) < 50)
  sendWindow.finish(first)
  t.ok((await send(notification('d'))) > 55, 'the server has acknowledged one')
})

test('the next frame waits while too many bytes are unacknowledged', async (t) => {
  const frame = request(1, 'a')
  const writer = new Writer(2 * frame.bytes.length)
  t.ok(writer.send(frame))
  const second = request(2, 'a')
  t.ok(writer.send(second), 'as many bytes as the limit do not wait')
  const third = request(3, 'a')
  t.notOk(writer.send(third), 'more do')
  writer.sendWindow.acknowledge(frame)
  t.ok(writer.ready, 'until one frame is acknowledged')
  writer.sendWindow.acknowledge(frame)
  t.notOk(writer.send(request(4, 'a')), 'a second acknowledgement of it counts for nothing')
  writer.sendWindow.finish(second)
  t.ok(writer.ready)
  t.notOk(writer.sendWindow.allAcknowledged)
})

test('release calls the waiting callback once, with an error if there is one', async (t) => {
  const writer = new Writer(0)
  writer.send(notification('a'), true)
  const error = new Error('ended')
  writer.sendWindow.release(error)
  t.ok(writer.ready)
  t.equal(writer.error, error)
  writer.ready = false
  writer.sendWindow.release()
  t.notOk(writer.ready, 'once')
})

test('only some error responses of the proxy are on their way at a time', async (t) => {
  const { sendWindow } = new Writer(0)
  const refusals = Array.from({ length: 17 }, (_, id) => response(id))
  const [first, ...others] = refusals as [Frame, ...Frame[]]
  const last = others.pop() as Frame
  t.ok(sendWindow.addRefusal(first))
  for (const refusal of others) t.ok(sendWindow.addRefusal(refusal))
  t.notOk(sendWindow.addRefusal(last))
  sendWindow.finish(first)
  t.ok(sendWindow.addRefusal(last))
})
