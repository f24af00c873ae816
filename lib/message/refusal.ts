// What happens when a message cannot be forwarded: the errors that say why, and the error response for
// the side that waits, either for the message itself or for a response to it.

import { describe, ProxyError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { jsonRpcVersion } from '../protocol/json-rpc.ts'
import type { Id } from '../protocol/json-rpc.ts'
import type { Envelope } from './envelope.ts'
import { Frame, makeFrame } from './frame.ts'

/** A message that cannot be forwarded, with as much of its envelope as could be read. */
export class RefusedError extends ProxyError {
  readonly envelope: Envelope | undefined

  constructor(code: ErrorCode, message: string, envelope?: Envelope) {
    super(code, message)
    this.envelope = envelope
  }
}

/** JSON that is not a JSON-RPC message. */
export class EnvelopeError extends RefusedError {
  constructor(message: unknown) {
    super(
      'ERR_FRAME_ENVELOPE',
      'the message is not a JSON-RPC 2.0 request, notification or response',
      envelopeIn(message)
    )
  }
}

function envelopeIn(message: unknown): Envelope | undefined {
  if (typeof message !== 'object' || message === null || !('id' in message)) return undefined
  const { id } = message
  if (typeof id !== 'string' && typeof id !== 'number') return undefined
  return { kind: 'result' in message || 'error' in message ? 'response' : 'request', id }
}

/** The error response to the request with that id, or to a message whose id is unknown. */
export function errorFrame(id: Id | undefined, failure: ProxyError): Frame {
  const error = { code: failure.rpc, message: describe(failure) }
  const frame = makeFrame({ jsonrpc: jsonRpcVersion, id: id ?? null, error })
  return new Frame(frame.bytes, { ...frame, failure })
}

/**
 * The error response that a refused message leads to. A refused request gets it `back`, to its sender. A
 * refused response is replaced by it and goes `onward`. A notification leads to none.
 */
export function refuse(error: ProxyError, envelope?: Envelope): { back?: Frame; onward?: Frame } {
  if (envelope?.id === undefined) return {}
  const frame = errorFrame(envelope.id, error)
  return envelope.kind === 'response' ? { onward: frame } : { back: frame }
}
