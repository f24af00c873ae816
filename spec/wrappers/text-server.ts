// A server in memory that takes and sends messages as texts: tests of a shared server compare the bytes
// that each side gets.
//
// A shared server gets random ids. So that a test can name them, this server counts the requests: it
// shows the first request of a client as request 1, and takes 1 as its id, and so on.

import { Duplex } from 'node:stream'
import { Inbox } from '../../fixtures/clients/raw.js'
import { scalarAt } from '../../lib/json/find-value.ts'
import { splice } from '../../lib/json/splice.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import type { Id } from '../../lib/protocol/json-rpc.ts'
import { paths } from '../../lib/protocol/paths.ts'
import { watch } from '../helpers.ts'
import type { Watched } from '../helpers.ts'

type Callback = (error?: Error | null) => void

export class TextServer extends Duplex {
  /** Every message that came. */
  readonly received = new Inbox<Frame>()
  /** Called with each message that comes. */
  onFrame: ((frame: Frame) => void) | undefined
  /** The callback of the write that `stop` holds back. */
  #held: Callback | undefined
  #isSlow = false
  /** The real id of each request that came. */
  readonly ids: Id[] = []

  constructor() {
    super({ objectMode: true })
  }

  say(message: string | object): void {
    const frame = frameOf(message)
    this.push(translate(frame, (number) => this.ids[number - 1]))
  }

  /** Resolves to the `count`th message with this method. */
  async got(method: string, count = 1): Promise<Frame> {
    const frame = await this.received.until((frame) => frame.method === method && --count === 0)
    if (frame === undefined) throw new Error(`no ${method} came`)
    return frame
  }

  /** Takes one more message, and completes its write when `goOn` is called. */
  stop(): void {
    this.#isSlow = true
  }

  goOn(): void {
    this.#isSlow = false
    this.#held?.()
  }

  override _read(): void {}

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    // The smaller ids are those of the proxy's own requests.
    if (frame.kind === 'request' && Number(frame.id) >= 2 ** 20) this.ids.push(frame.id as Id)
    const shown = translate(frame, (id) => this.ids.indexOf(id) + 1 || undefined)
    this.received.push(shown)
    this.onFrame?.(shown)
    if (this.#isSlow) this.#held = callback
    else callback()
  }

  override _final(callback: Callback): void {
    this.push(null)
    callback()
  }
}

/** Replaces the ids of requests in a message, also those that are written as strings. */
function translate(frame: Frame, idFor: (id: number) => Id | undefined): Frame {
  const { id, requestToken, progressToken, cancelledId, subscription, endedSubscription } = paths
  const places = [id, requestToken, progressToken, cancelledId, subscription, endedSubscription]
  const replacements = places.flatMap((path) => {
    const value = scalarAt(frame.bytes, path)
    const other = value === null ? undefined : idFor(Number(value))
    if (other === undefined) return []
    return { path, text: JSON.stringify(typeof value === 'string' ? String(other) : other) }
  })
  return replacements.length === 0 ? frame : parseFrame(splice(frame.bytes, replacements))
}

/** Makes a frame from the text of a message, or from a message without `jsonrpc`. */
export function frameOf(message: string | object): Frame {
  const text =
    typeof message === 'string' ? message : JSON.stringify({ jsonrpc: '2.0', ...message })
  return parseFrame(Buffer.from(text))
}

export interface Client extends Watched {
  port: Duplex
  /** Resolves when the port has taken the message. */
  send(message: string | object): Promise<void>
  /** The texts of the frames that have come. */
  texts(): string[]
}

/** A client that reads a port as fast as it can. */
export function clientOn(port: Duplex): Client {
  const watched = watch(port)
  return {
    ...watched,
    port,
    send: (message) => new Promise((resolve) => port.write(frameOf(message), () => resolve())),
    texts: () => watched.frames.map(String)
  }
}

/** Resolves after one turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
