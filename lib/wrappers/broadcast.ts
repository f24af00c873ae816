// A notification of a shared server that belongs to no request. The server offers the notification
// to each port (the transport of one client). Each member is read from the JSON once, even if many
// ports ask for it.

import { stringAt } from '../json/find-value.ts'
import type { Frame } from '../message/frame.ts'
import { paths } from '../protocol/paths.ts'

export class Broadcast {
  readonly frame: Frame
  /** The subscription that the update of a resource counts for. Set when a session asks for it. */
  subscription: string | undefined
  #level: string | undefined
  #uri: string | undefined

  constructor(frame: Frame) {
    this.frame = frame
  }

  get method(): string | undefined {
    return this.frame.method
  }

  /** The level of a log message. Empty if it is not a string. */
  get level(): string {
    return (this.#level ??= stringAt(this.frame.bytes, paths.level) ?? '')
  }

  /** The resource of an update. Empty if it is not a string. */
  get uri(): string {
    return (this.#uri ??= stringAt(this.frame.bytes, paths.uri) ?? '')
  }
}
