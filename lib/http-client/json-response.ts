// Reads the frames of a JSON response to a POST. The body is one message, or a batch of messages.
// Some servers send several such values one after another.
//
// A body of known length is usually one value. So the reader collects it and parses it when it
// ends. A server may pause after each value of a body of unknown length. So the reader parses each
// value as soon as it is complete.

import type { IncomingHttpHeaders } from 'node:http'
import { ProxyError } from '../errors.ts'
import { BodyParser, parseBody } from '../framing/body.ts'
import { JsonSequenceParser } from '../framing/json-sequence.ts'
import { warnOnce } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import type { EventsOwner } from './event-reader.ts'

export const isJson = (headers: IncomingHttpHeaders): boolean =>
  /^application\/json\b/i.test(headers['content-type'] ?? '')

export class JsonResponse {
  readonly #owner: EventsOwner
  readonly #whole: BodyParser | undefined
  #values: JsonSequenceParser | undefined
  #hasValue = false

  constructor(owner: EventsOwner, headers: IncomingHttpHeaders) {
    this.#owner = owner
    if (headers['content-length'] === undefined) this.#values = this.#createValues()
    else this.#whole = new BodyParser(owner.maxMessage)
  }

  /**
   * @throws ProxyError if a message is invalid or too large. An exception of the owner's `deliver`
   * is thrown, too.
   */
  feed(chunk: Buffer): void {
    this.#whole?.feed(chunk)
    this.#values?.feed(chunk)
  }

  /** Call this when the body has ended. It reads the rest of the body. It throws as `feed` does. */
  end(): void {
    if (this.#whole !== undefined) this.#readWhole(this.#whole.end())
    else this.#values?.end()
  }

  /**
   * Call this when the connection broke. It reads the values that are complete, and drops the rest.
   * It throws as `feed` does.
   */
  cutOff(): void {
    const values = this.#values ?? this.#createValues()
    if (this.#whole !== undefined) values.feed(this.#whole.end())
    values.release()
  }

  #readWhole(bytes: Buffer): void {
    let frames: Frame[]
    try {
      ;({ frames } = parseBody(bytes))
    } catch {
      const values = this.#createValues()
      values.feed(bytes)
      values.end()
      return
    }
    for (const frame of frames) this.#owner.deliver(frame)
  }

  #createValues(): JsonSequenceParser {
    return new JsonSequenceParser(this.#owner.maxMessage, (bytes) => this.#onValue(bytes))
  }

  #onValue(bytes: Buffer): void {
    let frames: Frame[]
    try {
      ;({ frames } = parseBody(bytes))
    } catch (cause) {
      const message = `${this.#owner.client.name} sent an invalid message`
      throw new ProxyError('ERR_HTTP_ANSWER', message, { cause })
    }
    if (this.#hasValue) {
      const message = `${this.#owner.client.name} sends several messages in one JSON response`
      warnOnce(this.#owner.log, message)
    }
    this.#hasValue = true
    for (const frame of frames) this.#owner.deliver(frame)
  }
}
