// The transport to a client over HTTP+SSE (2024-11-05): a GET whose event stream carries all that the
// server says, and POSTs to the endpoint that the stream names first. It lives as long as the GET.

import type { ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Frame } from '../message/frame.ts'
import { PendingRequests } from '../message/pending-requests.ts'
import { errorFrame } from '../message/refusal.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { EventStream } from './event-stream.ts'

export interface SseOptions {
  id: string
  /** The response to the GET. */
  response: ServerResponse
  /** Where the client is to POST: best a reference relative to the URL of the GET. */
  endpoint: string
  /** Milliseconds; see `limits`. */
  keepAlive?: number | undefined
}

export class SseConnection extends Duplex {
  readonly id: string
  readonly #stream: EventStream
  readonly #owed = new PendingRequests()
  #waitingForRoom: (() => void)[] = []
  #full = false
  #closing = false

  constructor({ id, response, endpoint, keepAlive = limits.keepAlive }: SseOptions) {
    super({ objectMode: true })
    this.id = id
    this.#stream = new EventStream(response, keepAlive)
    this.#stream.write(Buffer.from(`event: endpoint\ndata: ${endpoint}\n\n`))
    response.once('close', () => this.destroy())
  }

  /** Calls back when the client's next frame can be taken. */
  whenRoom(callback: () => void): void {
    if (this.#full && !this.destroyed) this.#waitingForRoom.push(callback)
    else callback()
  }

  /**
   * Takes a POST, which is acknowledged with 202 when there is room for more.
   *
   * @throws ProxyError `ERR_CLOSED` for a request that comes after `close()`
   */
  post(response: ServerResponse, frame: Frame): void {
    if (this.#closing && frame.kind === 'request') {
      throw new ProxyError('ERR_CLOSED', 'the session is about to end')
    }
    this.receive(frame)
    this.#owed.sent(frame)
    this.whenRoom(() => response.writeHead(202, { 'content-type': 'text/plain' }).end('Accepted'))
  }

  /** Takes a frame that came in no POST of its own. */
  receive(frame: Frame): void {
    if (!this.push(frame)) this.#full = true
  }

  /** Takes no more requests, and ends when those in flight have been answered. */
  close(): void {
    this.#closing = true
    this.#owed.whenSettled(() => this.destroy())
  }

  override _read(): void {
    this.#full = false
    for (const goOn of this.#waitingForRoom.splice(0)) goOn()
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    this.#stream.send(frame, () => callback())
    this.#owed.answered(frame)
  }

  override _final(callback: Callback): void {
    this.#end(new ProxyError('ERR_CLOSED', 'the server has ended the session'))
    callback()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    const ended = new ProxyError('ERR_CLOSED', 'the session has ended')
    this.#end(error instanceof ProxyError ? error : ended)
    this._read()
    callback(error)
  }

  #end(error: ProxyError): void {
    for (const id of this.#owed.take()) this.#stream.send(errorFrame(id, error))
    this.#stream.end()
  }
}
