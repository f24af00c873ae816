// When a frame may follow another.

import { test } from 'tap'
import type { Frame } from '../../lib/frame.ts'
import { UnderWay } from '../../lib/transports/under-way.ts'
import { notification, request } from '../helpers.ts'

class Writer {
  readonly underWay: UnderWay
  ready = false
  error: Error | null | undefined

  constructor(maxBytes: number) {
    this.underWay = new UnderWay(maxBytes)
  }

  send(frame: Frame, awaited = false): boolean {
    this.ready = false
    this.underWay.sent(frame, awaited, (error) => {
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
  t.notOk(writer.underWay.allHeard)
})

test('a frame that is awaited holds the next until it is done', async (t) => {
  const writer = new Writer(0)
  const awaited = notification('a')
  t.notOk(writer.send(awaited, true))
  writer.underWay.done(request(1, 'another'))
  t.notOk(writer.ready, 'another does not let it go')
  writer.underWay.heard(awaited)
  t.notOk(writer.ready, 'nor is it enough that it was heard')
  t.ok(writer.underWay.allHeard)
  writer.underWay.done(awaited)
  t.ok(writer.ready)
  t.equal(writer.error, undefined)
})

test('frames that nothing is heard of hold the next when they are too many bytes', async (t) => {
  const frame = request(1, 'a')
  const writer = new Writer(2 * frame.bytes.length)
  t.ok(writer.send(frame))
  const second = request(2, 'a')
  t.ok(writer.send(second), 'as many as the limit are let go')
  const third = request(3, 'a')
  t.notOk(writer.send(third), 'more are not')
  writer.underWay.heard(frame)
  t.ok(writer.ready, 'until one of them is heard')
  writer.underWay.heard(frame)
  t.notOk(writer.send(request(4, 'a')), 'and it counts once')
  writer.underWay.done(second)
  t.ok(writer.ready)
  t.notOk(writer.underWay.allHeard)
})

test('the end lets the writer go, with an error if there is one', async (t) => {
  const writer = new Writer(0)
  writer.send(notification('a'), true)
  const error = new Error('ended')
  writer.underWay.stop(error)
  t.ok(writer.ready)
  t.equal(writer.error, error)
  writer.ready = false
  writer.underWay.stop()
  t.notOk(writer.ready, 'once')
})
