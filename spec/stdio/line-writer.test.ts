// Frames to lines: the frames of one turn of the event loop go out in one write.

import { once } from 'node:events'
import { Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { makeFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { LineWriter } from '../../lib/stdio/line-writer.ts'
import type { Callback } from '../../lib/streams/callbacks.ts'
import { notification } from '../helpers.ts'

const limit = 64 * 1024

const empty = makeFrame({ jsonrpc: '2.0', method: '' }).bytes.length

/** A frame of so many bytes. */
const frameOf = (size: number): Frame => notification('x'.repeat(size - empty))

const lines = (...frames: Frame[]): string => frames.map((frame) => `${frame}\n`).join('')

/** A stream that takes a write when the test calls `take`. */
class Slow extends Writable {
  /** The text of each write. */
  readonly given: string[] = []
  #taken: Callback | undefined

  constructor() {
    super()
    this.on('error', () => {})
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.given.push(chunk.toString())
    this.#taken = callback
  }

  /** Takes the last write. Resolves when the writer has been called back. */
  async take(error?: Error): Promise<void> {
    this.#taken?.(error)
    await turn()
  }
}

interface Watched {
  output: Slow
  writer: LineWriter
  /** Writes frames. */
  write(...frames: Frame[]): void
  /** For each callback the number of its frame, or its error. */
  calledBack: unknown[]
}

function start(): Watched {
  const output = new Slow()
  const writer = new LineWriter(output)
  const calledBack: unknown[] = []
  let count = 0
  const write = (...frames: Frame[]): void => {
    for (const frame of frames) {
      const number = ++count
      writer.write(frame, (error) => calledBack.push(error ?? number))
    }
  }
  return { output, writer, write, calledBack }
}

const [one, two, three] = ['one', 'two', 'three'].map((name) => notification(name)) as [
  Frame,
  Frame,
  Frame
]

t.test('the frames of one turn go out in one write, in their order', async (t) => {
  const { output, write, calledBack } = start()
  write(one, two)
  process.nextTick(() => write(three))
  t.strictSame(calledBack, [1, 2], 'there is room for more frames at once')
  t.strictSame(output.given, [], 'before the turn has ended')
  await turn()
  t.strictSame(output.given, [lines(one, two, three)])
  await output.take()
  write(two)
  await turn()
  t.strictSame(output.given, [lines(one, two, three), lines(two)])
})

t.test('a frame that is alone goes out before the end of the turn', async (t) => {
  const { output, writer, write, calledBack } = start()
  writer.write(one, () => calledBack.push('one'), true)
  t.strictSame(output.given, [lines(one)])
  writer.write(two, undefined, true)
  t.strictSame(output.given, [lines(one)], 'but not while the stream takes another')
  await output.take()
  t.strictSame(output.given, [lines(one), lines(two)])
  await output.take()
  write(three)
  writer.write(one, undefined, true)
  t.equal(output.given.length, 2, 'nor while others are gathered')
  await turn()
  t.equal(output.given.at(-1), lines(three, one))
})

t.test('a large frame leaves room for another as soon as the stream has it', async (t) => {
  for (const alone of [true, false]) {
    const { output, writer, write, calledBack } = start()
    writer.write(frameOf(2 * limit), () => calledBack.push('large'), alone)
    t.strictSame(calledBack, alone ? ['large'] : [])
    await turn()
    t.strictSame(calledBack, ['large'])
    write(frameOf(limit))
    await turn()
    t.strictSame(calledBack, ['large'], 'for one frame')
    await output.take()
    t.strictSame(calledBack, ['large', 1])
  }
})

t.test('frames that are gathered while the stream takes others follow at once', async (t) => {
  const { output, write } = start()
  write(one)
  await turn()
  write(two)
  await turn()
  write(three)
  await turn()
  t.strictSame(output.given, [lines(one)])
  await output.take()
  t.strictSame(output.given, [lines(one), lines(two, three)])
})

t.test('as many frames go out together as a pipe holds, and a large one alone', async (t) => {
  const half = frameOf(limit / 2)
  const whole = frameOf(limit)
  const large = frameOf(limit + 1)
  for (const [frames, writes] of [
    [[half, half], [[half, half]]],
    [
      [half, half, one],
      [[half, half], [one]]
    ],
    [
      [half, frameOf(limit / 2 + 1), one],
      [[half], [frameOf(limit / 2 + 1), one]]
    ],
    [[whole], [[whole]]],
    [
      [one, whole, two],
      [[one], [whole], [two]]
    ],
    [
      [one, two, large, large, three, one],
      [[one, two], [large], [large], [three, one]]
    ]
  ]) {
    const { output, writer } = start()
    for (const frame of frames as Frame[]) writer.write(frame)
    await turn()
    for (const [index] of (writes as Frame[][]).entries()) {
      t.equal(output.given.length, index + 1, 'one write at a time')
      await output.take()
    }
    t.strictSame(
      output.given,
      (writes as Frame[][]).map((each) => lines(...each))
    )
  }
})

t.test('there is room for another frame until a full batch is gathered', async (t) => {
  const { output, write, calledBack } = start()
  write(one)
  await turn()
  write(frameOf(limit - 1000), frameOf(999))
  t.strictSame(calledBack, [1, 2, 3], 'one byte short of a batch')
  await output.take()
  write(frameOf(limit - 100), frameOf(100))
  t.strictSame(calledBack, [1, 2, 3, 4])
  await turn()
  t.strictSame(calledBack, [1, 2, 3, 4], 'no more until the stream has taken the write')
  await output.take()
  t.strictSame(calledBack, [1, 2, 3, 4, 5])
})

t.test('room for another frame comes when less than a batch is gathered', async (t) => {
  const { output, writer, calledBack } = start()
  const large = frameOf(2 * limit)
  writer.write(one)
  await turn()
  // As an owner writes frames of its own, which cannot wait.
  for (let count = 0; count < 3; count++) writer.write(large)
  writer.write(two, () => calledBack.push('two'))
  for (const expected of [[], [], ['two']]) {
    await output.take()
    t.strictSame(calledBack, expected)
  }
})

t.test(
  'a writer that waits for room is released, whatever else is written meanwhile',
  async (t) => {
    const { output, writer, write, calledBack } = start()
    write(one)
    await turn()
    write(frameOf(limit))
    writer.write(two)
    t.strictSame(calledBack, [1])
    await output.take()
    t.strictSame(calledBack, [1, 2])
  }
)

t.test('`whenEmpty` calls back when the stream has taken all frames', async (t) => {
  const { output, writer, write } = start()
  let times = 0
  writer.whenEmpty(() => times++)
  t.equal(times, 1, 'at once if nothing was written')
  write(one)
  writer.whenEmpty(() => times++)
  await turn()
  write(two)
  await output.take()
  t.equal(times, 1)
  await output.take()
  t.equal(times, 2)
  write(three)
  await turn()
  await output.take()
  t.equal(times, 2, 'once')
})

t.test('a frame that is written when there is room delays `whenEmpty`', async (t) => {
  const { output, writer } = start()
  let isEmpty = false
  writer.write(one)
  await turn()
  writer.write(frameOf(limit), () => writer.write(three))
  writer.whenEmpty(() => (isEmpty = true))
  await output.take()
  await output.take()
  t.notOk(isEmpty)
  await output.take()
  t.ok(isEmpty)
  t.equal(output.given.at(-1), lines(three))
})

t.test('`flush` gives the stream all frames, each once', async (t) => {
  const { output, writer, write, calledBack } = start()
  write(one)
  await turn()
  write(two, frameOf(limit))
  t.strictSame(calledBack, [1, 2])
  writer.flush()
  writer.flush()
  t.strictSame(calledBack, [1, 2, 3], 'a writer that waits for room is released')
  await output.take()
  await output.take()
  await turn()
  t.strictSame(output.given, [lines(one), lines(two, frameOf(limit))])
  t.notOk(output.writableNeedDrain)
  t.strictSame(calledBack, [1, 2, 3])
})

t.test('`flush` works before the turn has ended', async (t) => {
  const { output, writer, write } = start()
  write(one, two)
  writer.flush()
  t.strictSame(output.given, [lines(one, two)])
  await turn()
  t.strictSame(output.given, [lines(one, two)])
})

t.test('`destroy` releases a writer that waits for room, once', async (t) => {
  const error = new Error('enough')
  const { output, writer, write, calledBack } = start()
  writer.destroy(error)
  write(frameOf(limit))
  t.strictSame(calledBack, [])
  writer.destroy(error)
  writer.destroy(error)
  t.strictSame(calledBack, [error])
  await turn()
  await output.take()
  t.strictSame(calledBack, [error])
})

t.test('`unflushed` has the frames that the reader cannot have had whole', async (t) => {
  const { output, writer, write } = start()
  t.strictSame(writer.unflushed, [])
  write(one, two)
  t.strictSame(writer.unflushed, [one, two], 'the gathered frames')
  await turn()
  write(three)
  t.strictSame(writer.unflushed, [three], 'frames of one write may have been read in part')
  await output.take()
  t.strictSame(writer.unflushed, [three], 'a single frame was not read whole')
  write(two)
  t.strictSame(writer.unflushed, [three, two])
  await output.take()
  t.strictSame(writer.unflushed, [two])
  await output.take()
  t.strictSame(writer.unflushed, [])
})

t.test('after a failed write no more is written, and `unflushed` has the rest', async (t) => {
  for (const frames of [[one], [one, two]]) {
    const { output, writer, write } = start()
    write(...frames)
    await turn()
    const before = output.given.length
    await output.take(new Error('broken'))
    write(three)
    await turn()
    t.equal(output.given.length, before)
    t.strictSame(writer.unflushed, frames.length === 1 ? [one, three] : [three])
  }
})

t.test('a stream that has ended or closed is not written to', async (t) => {
  for (const end of ['end', 'destroy'] as const) {
    const { output, writer, write, calledBack } = start()
    let error: unknown
    output.on('error', (it) => (error = it))
    output[end]()
    let isEmpty = false
    write(one, frameOf(limit))
    writer.whenEmpty(() => (isEmpty = true))
    await turn()
    t.strictSame(output.given, [])
    t.equal(error, undefined)
    t.strictSame(calledBack, [1], 'and there is no more room')
    t.notOk(isEmpty)
    t.strictSame(writer.unflushed, [one, frameOf(limit)])
  }
})

t.test('a stream that is ended during a write gets no more frames', async (t) => {
  const { output, writer, write } = start()
  write(one)
  await turn()
  write(two)
  output.end()
  await Promise.all([once(output, 'close'), output.take()])
  t.strictSame(output.given, [lines(one)])
  t.strictSame(writer.unflushed, [two])
})
