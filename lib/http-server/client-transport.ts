// The base class of the transports with a session. The client's frames come in POSTs, and `receive`
// pushes each frame to the readable side. When `push` returns false, the buffer is full, and the
// client has to wait. Until `_read` is called, the proxy does not read the body of the next POST,
// and does not send the 202 for the last one.
//
// Node counts the frames in the buffer, but not their bytes. So this class also counts bytes: after
// `maxBuffered` bytes, the client has to wait until the buffer is empty.

import { internalError, ProxyError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { publishMessage } from '../streams/facts.ts'
import type { FactClient } from '../streams/facts.ts'
import { Queue } from '../streams/queue.ts'
import { Transport } from '../streams/transport.ts'

/** How many bytes of frames may be in the buffer before the client has to wait. */
const maxBuffered = 1024 * 1024

/** The error for a new request when the proxy is about to stop. */
export const aboutToEnd = (): ProxyError =>
  new ProxyError('ERR_CLOSED', 'the session is about to end')

export abstract class ClientTransport extends Transport {
  /** The id of the session. */
  readonly id: string
  /** What facts about this client say about it. */
  readonly client: FactClient
  #full = false
  /** The size of the frames that were pushed since the buffer was last empty, in bytes. */
  #bufferedSize = 0
  readonly #waiting = new Queue<() => void>()

  constructor(id: string, log?: Log, client?: FactClient) {
    super({ log, readableHighWaterMark: 16 })
    this.id = id
    this.client = client ?? { server: '', session: id, kind: 'session' }
  }

  /**
   * Refuses new requests, and ends the session when no connected client waits for a response. It
   * may be called again, to check whether the client is still connected.
   *
   * @param refusal makes the error for new requests (default: `ERR_CLOSED`). That of the first call
   * counts
   */
  abstract close(refusal?: () => ProxyError): void

  /**
   * Whether `receive` can take the next frame. A destroyed transport takes frames and drops them.
   */
  get hasRoom(): boolean {
    return (!this.#full && this.#bufferedSize < maxBuffered) || this.destroyed
  }

  /** Calls `callback` as soon as the transport can take the client's next frame. */
  whenRoom(callback: () => void): void {
    if (this.hasRoom) callback()
    else this.#waiting.push(callback)
  }

  /**
   * Takes a frame of the client.
   *
   * `push` also runs the code that reads the frame and writes it to the server. If that code
   * throws, its state is unknown, and later requests might never get a response. So the session
   * ends.
   */
  receive(frame: Frame): void {
    publishMessage(this.client, 'client', frame)
    try {
      if (!this.push(frame)) this.#full = true
      if (this.readableLength > 0) this.#bufferedSize += frame.bytes.length
    } catch (error) {
      this.once('error', () => {}).destroy(internalError())
      throw error
    }
  }

  override _read(): void {
    this.#full = false
    this.#releaseNext()
  }

  // Node calls `_read` while the buffer has frames. So this method finds out when it is empty.
  override read(size?: number): unknown {
    const frame: unknown = super.read(size)
    if (this.#bufferedSize > 0 && this.readableLength === 0) {
      this.#bufferedSize = 0
      this.#releaseNext()
    }
    return frame
  }

  // Calls the waiting callbacks one by one, as long as there is room. A POST whose callback was
  // called takes its room a little later.
  readonly #releaseNext = (): void => {
    if (this.#waiting.length === 0 || !this.hasRoom) return
    this.#waiting.shift()?.()
    setImmediate(this.#releaseNext)
  }

  /**
   * Calls all waiting callbacks. `_destroy` must call this, because a destroyed transport has room.
   */
  protected releaseWaiting(): void {
    if (this.#waiting.length === 0) return
    for (const callback of this.#waiting.take()) callback()
  }
}
