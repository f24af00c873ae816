// Keeps the messages that restore a client's session on a new server. They are `initialize`,
// `initialized`, the last log level, and each subscription that the client has not ended.

import { Frame } from '../message/frame.ts'
import { methods } from '../protocol/methods.ts'

export class SessionState {
  /** The frames, in the client's order. The key says which part of the state a frame sets. */
  readonly #frames = new Map<string, Frame>()

  /** The frames to send to a new server, in their order. */
  get frames(): Frame[] {
    return [...this.#frames.values()]
  }

  /** Keeps a frame from the client if the frame changes the state. Ignores all other frames. */
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

  // This copies the bytes, because the original may be a slice of a large chunk. The frame would
  // keep the whole chunk in memory.
  #keep(key: string, frame: Frame): void {
    this.#frames.set(key, new Frame(Buffer.from(frame.bytes), frame))
  }
}

/** The URI of the resource in the params of a message. */
export const uriOf = (frame: Frame): string => String(frame.message().params?.uri)
