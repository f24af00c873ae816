// What a client has said that a server must be told again if it is started anew: `initialize`,
// `initialized`, the log level, and the subscriptions that still stand.

import { Frame } from '../message/frame.ts'
import { methods } from '../protocol/methods.ts'

export class SessionState {
  /** By what it is about, in the order in which the server must hear it. */
  readonly #said = new Map<string, Frame>()

  /** All of it, in order. */
  get frames(): Frame[] {
    return [...this.#said.values()]
  }

  /** Notes what the client says, if it belongs to the opening. */
  note(frame: Frame): void {
    switch (frame.method) {
      case methods.initialize:
      case methods.initialized:
      case methods.setLevel:
        this.#keep(frame.method, frame)
        break
      case methods.subscribe:
        this.#keep(`subscription ${uriOf(frame)}`, frame)
        break
      case methods.unsubscribe:
        this.#said.delete(`subscription ${uriOf(frame)}`)
        break
      default: // no part of it
    }
  }

  // A copy, since a frame's bytes may be a slice of something large.
  #keep(key: string, frame: Frame): void {
    this.#said.set(key, new Frame(Buffer.from(frame.bytes), frame))
  }
}

const uriOf = (frame: Frame): string => String(frame.message().params?.uri)
