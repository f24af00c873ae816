// The response to an HTTP request. Node makes one for each request, as an object of this class. The class
// does in `emit` what listeners could do, because Node needs 600 instructions to add a listener, which is
// half a percent of a small request.
//
// Two listeners for one event would cost even more. Node makes an array for them, and V8 learns that these
// arrays often outlive a collection when many requests are in flight. V8 then allocates all of them in old
// memory, where each keeps its whole request until a full garbage collection.
//
// `endWith` sends the headers and a small body in one write.

import { ServerResponse } from 'node:http'
import type { IncomingMessage } from 'node:http'

/**
 * Up to this size, in bytes, the body is copied behind the headers, because the copy is faster than
 * a second write.
 */
const maxCopy = 64 * 1024

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

  /** Sends a whole body and ends. The headers must be written, and they must have the length. */
  endWith(body: Buffer): void {
    const { socket } = this
    if (socket === null || body.length > maxCopy) {
      this.end(body)
      return
    }
    // Node sends a string together with the headers in one write. Latin-1 maps each byte to one
    // character, so the bytes do not change. Node 20 joins what `end` writes with an empty string, and
    // this takes 7,000 instructions.
    socket.cork()
    this.write(body.toString('latin1'), 'latin1')
    socket.uncork()
    this.end()
  }
}
