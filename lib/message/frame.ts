// A frame is one JSON-RPC message as it travels: its bytes and the envelope read from them. The proxy
// forwards the bytes, so all that the envelope leaves out arrives unchanged.

import type { ProxyError } from '../errors.ts'
import type { Id, Message } from '../protocol/json-rpc.ts'
import { envelopeOf } from './envelope.ts'
import type { Envelope } from './envelope.ts'

export class Frame implements Envelope {
  /** Valid UTF-8 and valid JSON without line breaks, so any framing can carry it unchanged. */
  readonly bytes: Buffer
  readonly kind: Envelope['kind']
  readonly id: Id | undefined
  readonly method: string | undefined
  readonly progressToken: Id | undefined
  readonly protocolVersion: string | undefined
  readonly errorCode: number | undefined
  readonly failure: ProxyError | undefined

  /** Use `parseFrame` or `makeFrame`: they make sure that envelope and bytes agree. */
  constructor(bytes: Buffer, envelope: Envelope) {
    this.bytes = bytes
    this.kind = envelope.kind
    this.id = envelope.id
    this.method = envelope.method
    this.progressToken = envelope.progressToken
    this.protocolVersion = envelope.protocolVersion
    this.errorCode = envelope.errorCode
    this.failure = envelope.failure
  }

  /** A copy with other bytes, in which the id and the progress token may differ. */
  withBytes(bytes: Buffer, id = this.id, progressToken = this.progressToken): Frame {
    return new Frame(bytes, {
      kind: this.kind,
      id,
      method: this.method,
      progressToken,
      protocolVersion: this.protocolVersion,
      errorCode: this.errorCode,
      failure: this.failure
    })
  }

  /** The whole message, parsed again at each call. Use it only for messages that the proxy reads. */
  message(): Message {
    return JSON.parse(this.bytes.toString()) as Message
  }

  toString(): string {
    return this.bytes.toString()
  }
}

/** Makes a frame of a message that the proxy itself writes. */
export function makeFrame(message: Message): Frame {
  return new Frame(Buffer.from(JSON.stringify(message)), envelopeOf(message))
}
