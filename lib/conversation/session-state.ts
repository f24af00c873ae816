// Keeps the messages that restore a client's session on a new server. They are `initialize`,
// `initialized`, the last log level, and each subscription that the client has not ended. At most
// 1000 subscriptions of together 1 MiB are kept.

import type { Duplex } from 'node:stream'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { stringAt } from '../json/find-value.ts'
import { Frame } from '../message/frame.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { sendInOrder } from './ask-server.ts'
import type { AskOptions } from './ask-server.ts'

const maxSubscriptions = 1000
/** The largest total size of the subscriptions, in bytes. */
const maxBytes = 1024 * 1024

export class SessionState {
  readonly #log: Log
  /** The frames, in the client's order. The key says which part of the state a frame sets. */
  readonly #frames = new Map<string, Frame>()

  #subscriptions = 0
  #bytes = 0
  #warned = false

  /** @param log gets one warning when a subscription is not kept (default: silent) */
  constructor(log: Log = silent) {
    this.#log = log
  }

  /** The frames to send to a new server, in their order. */
  get frames(): Frame[] {
    return [...this.#frames.values()]
  }

  /**
   * Restores the session on a new server. Resolves to the last response.
   *
   * @param isQueued whether the caller sends a frame itself, later
   */
  restore(
    server: Duplex,
    isQueued: (frame: Frame) => boolean,
    options: AskOptions
  ): Promise<Frame | undefined> {
    const frames = this.frames.filter((frame) => !isQueued(frame))
    return sendInOrder(server, frames, options)
  }

  /** Keeps a frame from the client if the frame changes the state. Ignores all other frames. */
  note(frame: Frame): void {
    switch (frame.method) {
      case methods.initialize:
        if (frame.kind === 'request') this.#keep(frame.method, frame)
        break
      case methods.initialized:
      case methods.setLevel:
        if (frame.bytes.length <= maxBytes) this.#keep(frame.method, frame)
        break
      case methods.subscribe:
        this.#subscribe(frame)
        break
      case methods.unsubscribe:
        this.#unsubscribe(keyOf(frame))
        break
      default: // other messages do not belong to the state of a session
    }
  }

  #subscribe(frame: Frame): void {
    const key = keyOf(frame)
    this.#unsubscribe(key)
    const bytes = this.#bytes + frame.bytes.length
    if (this.#subscriptions < maxSubscriptions && bytes <= maxBytes) {
      this.#subscriptions++
      this.#bytes = bytes
      this.#keep(key, frame)
    } else if (!this.#warned) {
      this.#warned = true
      this.#log.warn('too many subscriptions: some will not be restored on a new server')
    }
  }

  #unsubscribe(key: string): void {
    const frame = this.#frames.get(key)
    if (frame === undefined) return
    this.#frames.delete(key)
    this.#subscriptions--
    this.#bytes -= frame.bytes.length
  }

  // This copies the bytes, because the original may be a slice of a large chunk. The frame would
  // keep the whole chunk in memory.
  #keep(key: string, frame: Frame): void {
    this.#frames.set(key, new Frame(Buffer.from(frame.bytes), frame))
  }
}

const keyOf = (frame: Frame): string => `subscription ${uriOf(frame)}`

/** Returns the URI of the resource in the params of a message. Empty if it is not a string. */
export const uriOf = (frame: Frame): string => stringAt(frame.bytes, paths.uri) ?? ''
