// Handles messages that the proxy cannot forward. It makes the error that says why, and the error
// response for the side that waits for the message or for a response to it.

import { describe, ProxyError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { jsonRpcVersion } from '../protocol/json-rpc.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { paths } from '../protocol/paths.ts'
import type { Envelope } from './envelope.ts'
import { Frame, makeFrame } from './frame.ts'
import { idIn } from './id.ts'

/** The error for a message that the proxy cannot forward, with its envelope if that is readable. */
export class RefusedError extends ProxyError {
  readonly envelope: Envelope | undefined

  constructor(code: ErrorCode, message: string, envelope?: Envelope) {
    super(code, message)
    this.envelope = envelope
  }
}

/** The error for valid JSON that is not a JSON-RPC message. */
export class EnvelopeError extends RefusedError {
  /** @param bytes the message as JSON. Without it, the id of `message` must be exact */
  constructor(message: unknown, bytes?: Buffer) {
    super(
      'ERR_FRAME_ENVELOPE',
      'the message is not a JSON-RPC 2.0 request, notification or response',
      envelopeIn(message, bytes)
    )
  }
}

function envelopeIn(message: unknown, bytes?: Buffer): Envelope | undefined {
  if (typeof message !== 'object' || message === null || !('id' in message)) return undefined
  const id = typeof message.id === 'number' && bytes ? idIn(bytes, paths.id) : message.id
  if (typeof id !== 'string' && typeof id !== 'number' && typeof id !== 'bigint') return undefined
  if ('result' in message || 'error' in message) return { kind: 'response', id }
  if (!('method' in message)) return { kind: 'request', id }
  const method = typeof message.method === 'string' ? message.method : ''
  return { kind: 'request', id, method }
}

/**
 * Makes the error response to the request with this id, or with id null if the id is unknown. It
 * describes all causes, so a client over HTTP gets the frame of `withoutDetails` instead.
 */
export function errorFrame(
  id: Id | undefined,
  failure: ProxyError,
  message = describe(failure)
): Frame {
  const error = { code: failure.rpc, message }
  const frame = makeFrame({ jsonrpc: jsonRpcVersion, id: id ?? null, error })
  return new Frame(frame.bytes, { ...frame, failure })
}

/**
 * Makes the error response for a refused message. For a refused request, the caller sends it `back`
 * to the sender. For a refused response, the caller forwards it `onward` in place of that response.
 * A refused notification has no error response.
 */
export function refuse(error: ProxyError, envelope?: Envelope): { back?: Frame; onward?: Frame } {
  if (envelope?.id === undefined) return {}
  const frame = errorFrame(envelope.id, error)
  return envelope.kind === 'response' ? { onward: frame } : { back: frame }
}

/**
 * Returns the envelope of a server's message that cannot be forwarded. Without a method, the message
 * is a broken response, so that its call does not wait for another one.
 */
export function fromServer(envelope: Envelope | undefined): Envelope | undefined {
  const isBroken = envelope?.kind === 'request' && envelope.method === undefined
  return isBroken ? { kind: 'response', id: envelope.id } : envelope
}
