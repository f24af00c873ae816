// The transport of one modern client, and its requests that have no response yet.

import { valueText } from '../../json/find-value.ts'
import type { Log } from '../../log.ts'
import type { Frame } from '../../message/frame.ts'
import { answerTo, idText } from '../../message/response-to.ts'
import { methods } from '../../protocol/methods.ts'
import { paths } from '../../protocol/paths.ts'
import type { Callback } from '../../streams/callbacks.ts'
import { SharedPort } from '../../wrappers/shared-port.ts'
import type { PortOwner } from '../../wrappers/shared-port.ts'

export class ModernPort extends SharedPort {
  /** The user, if the proxy knows it. */
  readonly principal: string | undefined
  /** The requests without a response. The keys are those of `calls`. */
  readonly requests = new Map<string, ClientRequest>()

  constructor(
    owner: PortOwner,
    maxQueue: number,
    principal: string | undefined,
    log: Log | undefined
  ) {
    super(owner, maxQueue, () => false, log)
    this.principal = principal
  }

  // A client that has ended does not need notifications. Its subscriptions would never end.
  override _final(callback: Callback): void {
    for (const request of [...this.requests.values()]) if (request.isListen) request.cancel()
    super._final(callback)
  }
}

export class ClientRequest {
  readonly port: ModernPort
  readonly method: string
  /** The id of the request, as JSON text. */
  readonly idText: string
  /** The progress token of the request, as JSON text. */
  readonly tokenText: string | undefined
  /** The lowest level of the log messages that the client wants, as an index of `logLevels`. */
  logLevel = Infinity
  /** Called if the client cancels the request or disconnects. It is set while the server works. */
  onCancel!: () => void
  /** Only the id of the request: the request itself may be large, and a call may take hours. */
  readonly #envelope: Frame
  readonly #key: string
  #ended = false

  constructor(port: ModernPort, frame: Frame) {
    this.port = port
    this.method = frame.method as string
    this.idText = idText(frame)
    if (frame.progressToken !== undefined) {
      this.tokenText = valueText(frame.bytes, paths.requestToken)
    }
    this.#envelope = frame.withBytes(Buffer.from(`{"id":${this.idText}}`))
    // A client should not use an id twice. If it does, both requests get their responses.
    let key = this.idText
    while (port.requests.has(key)) key += ' '
    this.#key = key
    port.requests.set(key, this)
    port.calls.set(key, 0)
  }

  get isListen(): boolean {
    return this.method === methods.listen
  }

  /** Sends a notification to the client. */
  notify(frame: Frame): void {
    this.port.deliver(frame)
  }

  /** Ends the request with a response. Its id is replaced with the id of the request. */
  respond(response: Frame): void {
    if (this.#ended) return
    this.end()
    this.port.deliver(answerTo(this.#envelope, response))
  }

  /** Ends the request without a response, because the client does not want one any more. */
  cancel(): void {
    this.end()
    this.onCancel()
  }

  /** Ends the request without a response. */
  end(): void {
    this.#ended = true
    this.port.requests.delete(this.#key)
    this.port.calls.delete(this.#key)
  }
}
