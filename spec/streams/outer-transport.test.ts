// A transport around another.

import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { Frame } from '../../lib/message/frame.ts'
import type { Callback } from '../../lib/streams/callbacks.ts'
import { OuterTransport } from '../../lib/streams/outer-transport.ts'
import { request, response, watch } from '../helpers.ts'

/** The least that can be made of it: it takes what there is inside, and fails with it. */
class Plain extends OuterTransport {
  readonly failures: (Error | undefined)[] = []

  override attach(inner: Duplex): void {
    super.attach(inner)
  }

  protected override innerOnFrame(frame: Frame): void {
    this.pass(frame)
  }

  protected override innerOnClose(error: Error | undefined): void {
    this.failures.push(error)
  }

  protected override send(frame: Frame, callback: Callback): void {
    this.inner?.write(frame, callback)
  }

  override _final(callback: Callback): void {
    this.inner?.end(callback)
  }
}

/** A transport that is told what to say, and keeps what it is told. */
class Inside extends Duplex {
  readonly told: Frame[] = []
  /** How often it was asked to say more. */
  asked = 0

  constructor() {
    super({ objectMode: true })
  }

  override _read(): void {
    this.asked++
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    this.told.push(frame)
    callback()
  }
}

t.test('frames pass both ways', async (t) => {
  const [around, inside] = [new Plain(), new Inside()]
  around.attach(inside)
  const { frames } = watch(around)
  const [one, two] = [request(1, 'm'), response(1)]
  around.write(one)
  t.strictSame(inside.told, [one])
  inside.push(two)
  t.equal(await frames.until(() => true), two)
  around.destroy()
})

t.test('a reader that stops stops the transport inside, until it reads again', async (t) => {
  const [around, inside] = [new Plain(), new Inside()]
  around.attach(inside)
  for (let id = 0; id < 100; id++) {
    inside.push(response(id))
    await turn()
  }
  t.ok(around.readableLength <= 17 && inside.readableLength > 50)
  t.ok(inside.isPaused())
  const { frames } = watch(around)
  await frames.until(({ id }) => id === 99)
  t.notOk(inside.isPaused())
  around.destroy()
})

t.test('one inside that ends is closed, with what it may still tell', async (t) => {
  const around = new Plain()
  watch(around)
  const quiet = new Inside()
  around.attach(quiet)
  quiet.push(null)
  const { closed } = watch(quiet)
  t.equal(await closed, undefined)
  t.strictSame(around.failures, [undefined])

  const failing = new Inside()
  around.attach(failing)
  const error = new Error('why it ended')
  failing.push(null)
  failing.once('end', () => failing.destroy(error))
  t.equal(await watch(failing).closed, error)
  t.strictSame(around.failures, [undefined, error])
  around.destroy()
})

t.test('one that was replaced is no concern any more', async (t) => {
  const around = new Plain()
  const [first, second] = [new Inside(), new Inside()]
  around.attach(first)
  around.attach(second)
  first.destroy()
  await watch(first).closed
  t.strictSame(around.failures, [])
  around.write(request(1, 'm'))
  t.equal(second.told.length, 1)
  around.destroy()
})

t.test('destroyed, it closes when the one inside has closed', async (t) => {
  const around = new Plain()
  const inside = new Inside()
  const order: string[] = []
  inside._destroy = (error, callback) => {
    setImmediate(() => {
      order.push('inside')
      callback(error)
    })
  }
  around.attach(inside)
  const error = new Error('enough')
  const { closed } = watch(around)
  around.on('close', () => order.push('around'))
  around.destroy(error)
  around.destroy()
  t.equal(await closed, error)
  t.strictSame(order, ['inside', 'around'])
  t.strictSame(around.failures, [], 'nobody is told')
})

t.test('one that had closed before it was attached is noticed', async (t) => {
  const around = new Plain()
  const inside = new Inside()
  const error = new Error('gone')
  inside.on('error', () => {}).destroy(error)
  await watch(inside).closed
  around.attach(inside)
  await turn()
  t.strictSame(around.failures, [error])
  around.destroy()
})

t.test('destroyed with nothing inside, it closes', async (t) => {
  const around = new Plain()
  const { closed } = watch(around)
  around.destroy()
  t.equal(await closed, undefined)
})

t.test('a signal destroys it, also one that was given already', async (t) => {
  const controller = new AbortController()
  for (const signal of [controller.signal, AbortSignal.abort()]) {
    const around = new Plain({ signal })
    const inside = new Inside()
    around.attach(inside)
    const { closed } = watch(around)
    setImmediate(() => controller.abort())
    t.match(await closed, { name: 'AbortError' })
    t.ok(inside.closed)
  }
})
