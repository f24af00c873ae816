// A frame is one JSON-RPC message as it travels: the bytes that came, and the envelope read from
// them. The bytes are what is forwarded, so whatever they say beyond the envelope survives.

import { isAscii, isUtf8 } from 'node:buffer'
import { describe, ProxyError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { withoutLongStrings } from '../json/strings.ts'
import type { Id, Message } from '../protocol/json-rpc.ts'
import { metaKeys } from '../protocol/meta-keys.ts'
import { methods } from '../protocol/methods.ts'
import { isEnvelope } from './schemas.ts'

/** What the proxy knows of a message without looking further: enough to route it. */
export interface Envelope {
  readonly kind: 'request' | 'notification' | 'response'
  /** Of a request, and of the response to it. A response to what could not be read has none. */
  readonly id?: Id | undefined
  readonly method?: string | undefined
  /** The token a request asks progress under, or that a progress notification is for. */
  readonly progressToken?: Id | undefined
  /** The revision that a request or notification names, as those of the modern revision do. */
  readonly protocolVersion?: string | undefined
  /** The code of an error response. */
  readonly errorCode?: number | undefined
  /** What an error response tells of, if it is of the proxy's own making: the server said nothing. */
  readonly failure?: ProxyError | undefined
}

export class Frame implements Envelope {
  /** Valid UTF-8, valid JSON, and no line break: fit for any framing as it is. */
  readonly bytes: Buffer
  readonly kind: Envelope['kind']
  readonly id: Id | undefined
  readonly method: string | undefined
  readonly progressToken: Id | undefined
  readonly protocolVersion: string | undefined
  readonly errorCode: number | undefined
  readonly failure: ProxyError | undefined

  /** Use `parseFrame` or `makeFrame`: they see to it that envelope and bytes agree. */
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

  /** The same message as other bytes, in which its id and its token are others. */
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

  /** The whole message, parsed anew at each call. For the few messages that the proxy reads. */
  message(): Message {
    return JSON.parse(this.bytes.toString()) as Message
  }

  toString(): string {
    return this.bytes.toString()
  }
}

/**
 * Reads a frame. The buffer becomes the frame's: line breaks between its tokens are overwritten
 * with spaces, since neither a line nor an event can hold them.
 *
 * @param text what the bytes say, from a caller that has decoded them already
 * @throws ProxyError `ERR_FRAME_SYNTAX` for what is not UTF-8 or not JSON, `ERR_FRAME_ENVELOPE` for
 * JSON that is not a JSON-RPC 2.0 message as MCP has it
 */
export function parseFrame(bytes: Buffer, text?: string): Frame {
  const message = parse(text ?? decode(bytes))
  if (!isEnvelope(message)) throw new EnvelopeError(message)
  let envelope = envelopeOf(message as Message)
  // A long string was left out where it matters.
  const isCut = bytes.length >= large && text === undefined && hasEmpty(envelope)
  if (isCut) envelope = envelopeOf(parse(bytes.toString()) as Message)
  unbreak(bytes)
  return new Frame(bytes, envelope)
}

/** A message is large from here on, in bytes. */
const large = 1_000_000

/** What the bytes say; of a large message without its long strings. */
function decode(bytes: Buffer): string {
  // As Latin-1 it is the same, and takes a fraction of the time.
  if (bytes.length < large && isAscii(bytes)) return bytes.toString('latin1')
  if (!isUtf8(bytes)) throw new ProxyError('ERR_FRAME_SYNTAX', 'the message is not UTF-8')
  if (bytes.length < large) return bytes.toString()
  try {
    return withoutLongStrings(bytes)
  } catch (cause) {
    throw notJson(cause)
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw notJson(cause)
  }
}

const notJson = (cause: unknown): ProxyError =>
  new ProxyError('ERR_FRAME_SYNTAX', `the message is not JSON (${describe(cause)})`)

const hasEmpty = ({ id, method, progressToken, protocolVersion }: Envelope): boolean =>
  id === '' || method === '' || progressToken === '' || protocolVersion === ''

/** Makes a frame of a message of the proxy's own. */
export function makeFrame(message: Message): Frame {
  return new Frame(Buffer.from(JSON.stringify(message)), envelopeOf(message))
}

/** The response that tells of a failure. */
export function errorFrame(id: Id | undefined, failure: ProxyError): Frame {
  const error = { code: failure.rpc, message: describe(failure) }
  const frame = makeFrame({ jsonrpc: '2.0', id: id ?? null, error })
  return new Frame(frame.bytes, { ...frame, failure })
}

/** A message that cannot pass, with what could be told of its envelope. */
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

/**
 * What becomes of a message that cannot pass: whoever waits for it, or for the answer to it, gets an
 * error instead. `back` goes to its sender, `onward` takes its place; nobody waits for a notification.
 */
export function refuse(error: ProxyError, envelope?: Envelope): { back?: Frame; onward?: Frame } {
  if (envelope?.id === undefined) return {}
  const frame = errorFrame(envelope.id, error)
  return envelope.kind === 'response' ? { onward: frame } : { back: frame }
}

function envelopeOf(message: Message): Envelope {
  const id = message.id ?? undefined
  const { method, params } = message
  if (method === undefined) return { kind: 'response', id, errorCode: message.error?.code }
  const protocolVersion = versionIn(params?._meta)
  if (id === undefined) {
    const progressToken = method === methods.progress ? tokenIn(params) : undefined
    return { kind: 'notification', method, progressToken, protocolVersion }
  }
  return { kind: 'request', id, method, progressToken: tokenIn(params?._meta), protocolVersion }
}

function versionIn(meta: unknown): string | undefined {
  if (typeof meta !== 'object' || meta === null) return undefined
  const version = (meta as Record<string, unknown>)[metaKeys.protocolVersion]
  return typeof version === 'string' ? version : undefined
}

function tokenIn(holder: unknown): Id | undefined {
  if (typeof holder !== 'object' || holder === null) return undefined
  const token = (holder as Record<string, unknown>).progressToken
  return typeof token === 'string' || typeof token === 'number' ? token : undefined
}

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20

// JSON allows a raw line break only between tokens, where a space means the same.
function unbreak(bytes: Buffer): void {
  for (const breaks of [LF, CR]) {
    for (let at = bytes.indexOf(breaks); at !== -1; at = bytes.indexOf(breaks, at + 1)) {
      bytes[at] = SPACE
    }
  }
}
