// The boundary of every transport: what an exception does while one frame is handled.

import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { makeFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
import type { Message } from '../../lib/protocol/json-rpc.ts'
import type { Callback } from '../../lib/streams/callbacks.ts'
import { failAfterReading } from '../../lib/streams/fail-after-reading.ts'
import { Transport } from '../../lib/streams/transport.ts'

/** Fails for each frame whose method or id is in `faults`, in both directions. */
class FaultyTransport extends Transport {
  readonly sent: Message[] = []
  readonly faults = new Set<unknown>()

  override _read(): void {}

  come(frame: Frame): void {
    this.handle(frame, (frame) => {
      this.#check(frame)
      this.push(frame)
    })
  }

  protected override send(frame: Frame, callback: Callback): void {
    this.#check(frame)
    this.sent.push(frame.message())
    callback()
  }

  #check({ method, id, errorCode }: Frame): void {
    const key = method ?? (errorCode === undefined ? id : 'error')
    if (this.faults.has(key)) throw new TypeError('secret text')
  }
}

function start(t: Test, ...faults: unknown[]) {
  const errors: string[] = []
  const nothing = (): void => {}
  const log = {
    debug: nothing,
    info: nothing,
    warn: nothing,
    error: (text: string) => errors.push(text)
  }
  const transport = new FaultyTransport({ log })
  for (const fault of faults) transport.faults.add(fault)
  const read: Message[] = []
  const failures: unknown[] = []
  transport.on('data', (frame: Frame) => read.push(frame.message()))
  transport.on('error', (error) => failures.push(error))
  t.teardown(() => transport.destroy())
  return { transport, errors, read, failures }
}

const request = (id: number, method: string) => makeFrame({ jsonrpc: '2.0', id, method })
const response = (id: number) => makeFrame({ jsonrpc: '2.0', id, result: {} })
const notification = (method: string) => makeFrame({ jsonrpc: '2.0', method })
const error = { code: -32603, message: 'internal error (see the log of the proxy)' }

t.test('a request that cannot be sent gets an error, and the next one is sent', async (t) => {
  const { transport, read, errors, failures } = start(t, 'bad')
  transport.write(request(1, 'bad'))
  transport.write(request(2, 'good'))
  await new Promise(setImmediate)
  t.strictSame(read, [{ jsonrpc: '2.0', id: 1, error }], 'without the text of the exception')
  t.match(transport.sent, [{ id: 2 }])
  t.match(errors, [/request bad failed: .*secret text/], 'which is in the log')
  t.strictSame(failures, [])
})

t.test('a response that cannot be sent is replaced by an error', async (t) => {
  const { transport, read } = start(t, 7)
  transport.write(response(7))
  transport.write(notification('after'))
  await new Promise(setImmediate)
  t.strictSame(transport.sent, [
    { jsonrpc: '2.0', id: 7, error },
    { jsonrpc: '2.0', method: 'after' }
  ])
  t.strictSame(read, [])
})

t.test('a notification that cannot be sent is dropped and logged', async (t) => {
  const { transport, errors } = start(t, 'bad')
  transport.write(notification('bad'))
  transport.write(notification('good'))
  await new Promise(setImmediate)
  t.match(transport.sent, [{ method: 'good' }])
  t.equal(errors.length, 1)
})

t.test('frames from the far end fail alone too', async (t) => {
  const { transport, read, errors } = start(t, 'bad', 5)
  transport.come(request(1, 'bad'))
  transport.come(response(5))
  transport.come(notification('bad'))
  transport.come(request(2, 'good'))
  await new Promise(setImmediate)
  t.strictSame(transport.sent, [{ jsonrpc: '2.0', id: 1, error }])
  t.match(read, [
    { id: 5, error },
    { id: 2, method: 'good' }
  ])
  t.equal(errors.length, 3)
})

t.test('an exception in the recovery destroys the transport', async (t) => {
  const { transport, failures } = start(t, 7, 'error')
  transport.write(response(7))
  await new Promise(setImmediate)
  t.ok(transport.destroyed)
  t.match(failures, [{ code: 'ERR_INTERNAL' }])
})

t.test('a frame that comes after the end is dropped, and the end keeps its reason', async (t) => {
  const { transport, read, failures } = start(t)
  const failure = new Error('the server is gone')
  transport.come(response(1))
  failAfterReading(transport, failure)
  transport.come(response(2))
  transport.push(null)
  await once(transport, 'close').catch(() => {})
  t.match(read, [{ id: 1 }])
  t.equal(read.length, 1)
  t.strictSame(failures, [failure])
})
