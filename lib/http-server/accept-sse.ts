// The transport to a client of HTTP+SSE (revision 2024-11-05). The response to the client's GET is
// an event stream with all messages of the server. The first event of this stream names the URL to
// which the client sends its POSTs. The transport lives as long as the response to the GET.

import type { ServerResponse } from 'node:http'
import { ProxyError, toProxyError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Log } from '../log.ts'
import { ClientRequests, describeDropped } from '../message/client-requests.ts'
import type { CallCounter } from '../message/client-requests.ts'
import type { Frame } from '../message/frame.ts'
import { PendingRequests } from '../message/pending-requests.ts'
import { errorFrame } from '../message/refusal.ts'
import { answerTo } from '../message/response-to.ts'
import type { Callback, DestroyCallback } from '../streams/callbacks.ts'
import { publishMessage } from '../streams/facts.ts'
import type { FactClient } from '../streams/facts.ts'
import { Spacing } from '../streams/spacing.ts'
import { clientErrorFrame, withoutDetails } from './client-error.ts'
import { aboutToEnd, ClientTransport } from './client-transport.ts'
import { EventStream } from './event-stream.ts'
import { writeHead } from './write-head.ts'

export interface SseOptions {
  id: string
  /** The response to the GET. */
  response: ServerResponse
  /** The URL for the client's POSTs. A relative URL is correct under every path prefix. */
  endpoint: string
  /** If the stream is silent for this long, a comment is sent, in ms (default 15 000; 0: never). */
  keepAlive?: number | undefined
  /** What facts say about the client (default: its id alone). */
  client?: FactClient | undefined
  /** Counts the requests in flight (default: nothing counts them). */
  calls?: CallCounter | undefined
  log?: Log | undefined
}

export class SseConnection extends ClientTransport {
  readonly #stream: EventStream
  readonly #requests: ClientRequests
  /** The requests in flight, by the ids that the server got. */
  readonly #pending = new PendingRequests()
  readonly #spacing = new Spacing((frame) => this.#stream.send(frame))
  /** Makes the error for new requests. It is set when the connection is about to end. */
  #refusal: (() => ProxyError) | undefined

  constructor({ id, response, endpoint, keepAlive = limits.keepAlive, ...options }: SseOptions) {
    super(id, options.log, options.client)
    this.#requests = new ClientRequests(options.calls)
    this.#stream = new EventStream(response, keepAlive)
    this.#stream.write(Buffer.from(`event: endpoint\ndata: ${endpoint}\n\n`))
    response.once('close', () => this.destroy())
  }

  /**
   * Takes a POST of the client. Responds with the status 202 as soon as the transport has room for
   * the next POST.
   *
   * @throws ProxyError for a request after `close()`: the one that `close` was given
   */
  post(response: ServerResponse, frame: Frame): void {
    if (this.#refusal !== undefined && frame.kind === 'request') throw this.#refusal()
    this.#spacing.received(frame)
    const sent = this.#requests.toServer(frame)
    this.#pending.sent(sent)
    this.receive(sent)
    this.whenRoom(() => writeHead(response, 202, { 'content-type': 'text/plain' }).end('Accepted'))
  }

  /** Sends the error response to a request that the server does not get. */
  refuse(request: Frame, error: ProxyError): void {
    if (request.kind !== 'request') return
    this.#stream.send(answerTo(request, clientErrorFrame(0, error)))
  }

  override close(refusal = aboutToEnd): void {
    this.#refusal ??= refusal
    this.#pending.whenSettled(() => this.destroy())
  }

  protected override send(frame: Frame, callback: Callback): void {
    if (this.#pending.isStray(frame) || this.#requests.isLate(frame)) {
      publishMessage(this.client, 'server', frame, false)
      this.log.debug(describeDropped(frame))
      this.#requests.settled(frame)
      this.#stream.whenTaken(() => callback())
      return
    }
    this.#send(frame, () => callback())
    this.#requests.settled(frame)
    this.#pending.answered(frame)
  }

  override _final(callback: Callback): void {
    this.#end(new ProxyError('ERR_CLOSED', 'the server has ended the session'))
    callback()
  }

  override _destroy(error: Error | null, callback: DestroyCallback): void {
    this.#end(toProxyError(error, 'the session has ended'))
    this.#requests.end()
    this.releaseWaiting()
    callback(error)
  }

  #send(frame: Frame, callback?: () => void): void {
    publishMessage(this.client, 'server', frame)
    const restored = this.#requests.restored(frame)
    const { failure } = restored
    const sent = failure === undefined ? restored : withoutDetails(restored, failure, this.log)
    if (!this.#spacing.holds(sent, callback)) this.#stream.send(sent, callback)
  }

  #end(error: ProxyError): void {
    for (const id of this.#pending.take()) this.#send(errorFrame(id, error))
    this.#spacing.flush()
    this.#spacing.destroy()
    this.#stream.end()
  }
}
