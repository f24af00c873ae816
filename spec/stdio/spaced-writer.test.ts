// A response that goes out later than the progress notifications of its request.

import { Writable } from 'node:stream'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Frame } from '../../lib/message/frame.ts'
import { SpacedWriter } from '../../lib/stdio/spaced-writer.ts'
import type { Callback } from '../../lib/streams/callbacks.ts'
import { notification, request, response, until } from '../helpers.ts'

const call = (id: number | string, progressToken: number | string): Frame =>
  request(id, 'tools/call', { _meta: { progressToken } })
const progress = (progressToken: number | string): Frame =>
  notification('notifications/progress', { progressToken, progress: 1 })

interface Started {
  writer: SpacedWriter
  /** The lines of each write. */
  writes: string[][]
}

function start(write?: (callback: Callback) => void): Started {
  const writes: string[][] = []
  const output = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      writes.push(String(chunk).trimEnd().split('\n'))
      if (write === undefined) callback()
      else write(callback)
    }
  })
  return { writer: new SpacedWriter(output.on('error', () => {})), writes }
}

const texts = (...frames: Frame[]): string[] => frames.map(String)

t.test('a response follows the progress of its request in a later write', async (t) => {
  const { writer, writes } = start()
  writer.received(call(1, 'a'))
  const began = performance.now()
  const frames = [progress('a'), progress('a'), response(1)]
  let taken = 0
  for (const frame of frames) writer.write(frame, () => taken++)
  t.equal(taken, 3, 'the caller may go on')
  await until(() => writes.length === 2)
  t.ok(performance.now() - began > 90)
  t.strictSame(writes, [texts(...frames.slice(0, 2)), texts(...frames.slice(2))])
})

t.test('no other response waits', async (t) => {
  const { writer, writes } = start()
  writer.received(call(1, 1))
  writer.received(call(2, 2))
  writer.received(request(3, 'ping'))
  writer.write(progress(1))
  writer.write(progress('unknown'))
  const others = [response(2), response(3), response('unknown'), notification('other')]
  for (const frame of others) writer.write(frame)
  await turn()
  t.strictSame(writes, [texts(progress(1), progress('unknown'), ...others)])

  await sleep(200)
  writer.write(response(1))
  await turn()
  t.equal(writes.length, 2, 'nor one that comes late enough')
  writer.write(progress(1))
  writer.write(response(1))
  await turn()
  t.equal(writes.length, 3, 'nor a second response, because the request is forgotten')
})

t.test('a cancelled request and a token that is used twice are forgotten', async (t) => {
  const { writer, writes } = start()
  writer.received(call(1, 'a'))
  writer.received(call(2, 'a'))
  for (const requestId of [1, 7, { toString: 1 }]) {
    writer.received(notification('notifications/cancelled', { requestId }))
  }
  writer.received(notification('notifications/cancelled'))
  writer.write(progress('a'))
  writer.write(response(1))
  await turn()
  t.strictSame(writes, [texts(progress('a'), response(1))])
  writer.write(response(2))
  await turn()
  t.equal(writes.length, 1, 'the token belongs to the later request')
  await until(() => writes.length === 2)
  writer.received(notification('notifications/cancelled', { requestId: 2 }))
})

t.test('large responses make the caller wait', async (t) => {
  const { writer, writes } = start()
  const large = { text: 'x'.repeat(40_000) }
  const taken: number[] = []
  for (const id of [1, 2, 3]) {
    writer.received(call(id, id))
    writer.write(progress(id))
    writer.write(response(id, large), () => taken.push(id))
  }
  writer.received(call(4, 4))
  writer.write(progress(4))
  writer.write(response(4))
  t.strictSame(taken, [1])
  await until(() => writes.flat().length === 8)
  t.strictSame(taken, [1, 3], 'the last callback stands for those before it')
})

t.test('the end of the output waits for held responses', async (t) => {
  const { writer, writes } = start()
  writer.received(call(1, 1))
  writer.received(call(2, 2))
  for (const id of [1, 2]) {
    writer.write(progress(id))
    writer.write(response(id))
  }
  t.strictSame(texts(...writer.unflushed).slice(-2), texts(response(1), response(2)))
  await new Promise<void>((resolve) => writer.whenEmpty(resolve))
  t.strictSame(writes.flat().slice(-2), texts(response(1), response(2)))
  await new Promise<void>((resolve) => writer.whenEmpty(resolve))
})

t.test('flush writes held responses at once', async (t) => {
  const { writer, writes } = start()
  writer.received(call(1, 1))
  writer.write(progress(1))
  writer.write(response(1))
  writer.flush()
  t.strictSame(writes.flat(), texts(progress(1), response(1)))
  await sleep(200)
  t.equal(writes.flat().length, 2)
})

t.test('a destroyed writer calls back and writes no held response', async (t) => {
  const { writer, writes } = start(() => {})
  writer.received(call(1, 1))
  writer.write(progress(1))
  const error = new Error('gone')
  const failed = new Promise((resolve) => {
    writer.write(response(1, { text: 'x'.repeat(70_000) }), resolve)
  })
  writer.destroy(error)
  t.equal(await failed, error)
  await sleep(200)
  t.equal(writes.length, 1)
})
