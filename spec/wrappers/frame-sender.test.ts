// Frames on their way to a shared server: each calls back once, when the server has taken it.

import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { makeFrame } from '../../lib/message/frame.ts'
import { FrameSender } from '../../lib/wrappers/frame-sender.ts'

/** A server that takes frames at once, or when `take` is called. */
class Server extends Duplex {
  isSlow = false
  taken = 0
  #callbacks: (() => void)[] = []

  constructor() {
    super({ objectMode: true })
  }

  override _write(_frame: unknown, _encoding: BufferEncoding, callback: () => void): void {
    if (this.isSlow) this.#callbacks.push(callback)
    else callback()
    this.taken++
  }

  override _read(): void {}

  takeNext(): void {
    this.#callbacks.shift()?.()
  }
}

const frame = makeFrame({ jsonrpc: '2.0', method: 'x' })

t.test('a frame that the server takes at once calls back at once', async (t) => {
  const sender = new FrameSender(new Server())
  let calls = 0
  for (let count = 1; count < 10; count++) {
    sender.send(frame, () => calls++)
    t.equal(calls, count)
  }
  await turn()
  t.equal(calls, 9)
})

t.test('a frame that the server takes later calls back then', async (t) => {
  const server = new Server()
  const sender = new FrameSender(server)
  const calls: string[] = []
  sender.send(frame, () => calls.push('at once'))
  server.isSlow = true
  sender.send(frame, () => calls.push('first'))
  sender.send(frame, () => calls.push('second'))
  await turn()
  t.strictSame(calls, ['at once'])
  server.takeNext()
  await turn()
  t.strictSame(calls, ['at once', 'first'])
  server.isSlow = false
  server.takeNext()
  await turn()
  t.strictSame(calls, ['at once', 'first', 'second'])
  sender.send(frame, () => calls.push('at once'))
  t.equal(calls.length, 4)
  t.equal(server.taken, 4)
})

t.test('each frame calls back once if the server fails', async (t) => {
  const server = new Server()
  server.on('error', () => {}).isSlow = true
  const sender = new FrameSender(server)
  let calls = 0
  for (let count = 0; count < 3; count++) sender.send(frame, () => calls++)
  server.destroy(new Error('gone'))
  await turn()
  server.takeNext()
  sender.send(frame, () => calls++)
  await turn()
  await turn()
  t.equal(calls, 4)
})
