// A server in memory that takes and says messages as texts, since what matters of a shared server is
// which bytes reach whom.

import { Duplex } from 'node:stream'
import { Inbox } from '../../fixtures/clients/raw.js'
import { parseFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { watch } from '../helpers.ts'
import type { Watched } from '../helpers.ts'

type Callback = (error?: Error | null) => void

export class TextServer extends Duplex {
  /** Every message that came. */
  readonly received = new Inbox<Frame>()
  /** What to do with each that comes. */
  onFrame: ((frame: Frame) => void) | undefined
  /** What has been done with each. */
  #held: Callback | undefined
  #isSlow = false

  constructor() {
    super({ objectMode: true })
  }

  say(message: string | object): void {
    this.push(frameOf(message))
  }

  /** The message with this method that came, or comes, as the `count`th. */
  async got(method: string, count = 1): Promise<Frame> {
    const frame = await this.received.until((frame) => frame.method === method && --count === 0)
    if (frame === undefined) throw new Error(`no ${method} came`)
    return frame
  }

  /** Takes one more message, and is done with it only when told to `goOn`. */
  stop(): void {
    this.#isSlow = true
  }

  goOn(): void {
    this.#isSlow = false
    this.#held?.()
  }

  override _read(): void {}

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    this.received.push(frame)
    this.onFrame?.(frame)
    if (this.#isSlow) this.#held = callback
    else callback()
  }

  override _final(callback: Callback): void {
    this.push(null)
    callback()
  }
}

/** A message that is given as it is written, or as what is to be written. */
export function frameOf(message: string | object): Frame {
  const text =
    typeof message === 'string' ? message : JSON.stringify({ jsonrpc: '2.0', ...message })
  return parseFrame(Buffer.from(text))
}

export interface Client extends Watched {
  port: Duplex
  /** Resolves when the port has taken it. */
  send(message: string | object): Promise<void>
  /** The texts of what has come. */
  texts(): string[]
}

/** A client on a port that reads as fast as it can. */
export function clientOn(port: Duplex): Client {
  const watched = watch(port)
  return {
    ...watched,
    port,
    send: (message) => new Promise((resolve) => port.write(frameOf(message), () => resolve())),
    texts: () => watched.frames.map(String)
  }
}

/** Lets happen what has nothing to wait for. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
