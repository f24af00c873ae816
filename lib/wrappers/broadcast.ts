// A notification of a shared server that belongs to no request. The server offers the notification
// to each port (the transport of one client). The JSON is parsed once, even if many ports read the
// params.

import type { Frame } from '../message/frame.ts'
import type { Message } from '../protocol/json-rpc.ts'

export class Broadcast {
  readonly frame: Frame
  #message: Message | undefined

  constructor(frame: Frame) {
    this.frame = frame
  }

  get method(): string | undefined {
    return this.frame.method
  }

  get params(): Message['params'] {
    this.#message ??= this.frame.message()
    return this.#message.params
  }
}
