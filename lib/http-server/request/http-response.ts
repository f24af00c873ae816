// The response to an HTTP request. Node makes one for each request, as an object of this class. The class
// does in `emit` what listeners could do, because Node needs 600 instructions to add a listener, which is
// half a percent of a small request.
//
// Two listeners for one event would cost even more. Node makes an array for them, and V8 learns that these
// arrays often outlive a collection when many requests are in flight. V8 then allocates all of them in old
// memory, where each keeps its whole request until a full garbage collection.

import { ServerResponse } from 'node:http'
import type { IncomingMessage } from 'node:http'

export class HttpResponse<
  Request extends IncomingMessage = IncomingMessage
> extends ServerResponse<Request> {
  #onClose: (() => void) | undefined

  /** Calls `callback` when the response closes. The callbacks come in their order. */
  whenClosed(callback: () => void): void {
    const before = this.#onClose
    this.#onClose =
      before === undefined
        ? callback
        : () => {
            before()
            callback()
          }
  }

  override emit(event: string | symbol, ...values: unknown[]): boolean {
    // This happens when the client has disconnected. Without a listener, it would end the process.
    if (event === 'error' && this.listenerCount('error') === 0) return false
    if (event === 'close') this.#onClose?.()
    return super.emit(event, ...values)
  }

  override end(...values: unknown[]): this {
    // Node lets go of a request when its body has ended. A body that `BodyReader` has read at once ends
    // with the next `read`.
    const { req } = this
    if (req.complete && !req.readableEnded) req.read(0)
    return super.end(...(values as [unknown, BufferEncoding]))
  }
}
