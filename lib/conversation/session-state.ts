// The messages that restore a client's session on a new server: `initialize`, `initialized`, the last
// log level, and each subscription that the client has not ended.

import { Frame } from '../message/frame.ts'
import { methods } from '../protocol/methods.ts'

export class SessionState {
  /** In the order in which the client sent them. The key is the part of the state that a frame sets. */
  readonly #frames = new Map<string, Frame>()

  /** The frames to send to a new server, in their order. */
  get frames(): Frame[] {
    return [...this.#frames.values()]
  }

  /** Keeps a frame from the client if it is part of the state. */
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
        this.#frames.delete(`subscription ${uriOf(frame)}`)
        break
      default: // not part of the state
    }
  }

  // Copies the bytes: they may be a slice of a large chunk, which would stay in memory.
  #keep(key: string, frame: Frame): void {
    this.#frames.set(key, new Frame(Buffer.from(frame.bytes), frame))
  }
}

/** The URI of the resource that a message is about. */
export const uriOf = (frame: Frame): string => String(frame.message().params?.uri)
