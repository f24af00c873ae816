// A frame is one JSON-RPC message: its bytes, and the envelope (kind, id, method and more) that the
// proxy reads from them. The proxy forwards the bytes, so the rest of the message arrives
// unchanged.

import { ProxyError } from '../errors.ts'
import { findValue, stringAt } from '../json/find-value.ts'
import type { Span } from '../json/find-value.ts'
import { pick } from '../json/pick.ts'
import type { Shape } from '../json/pick.ts'
import { RecentTexts } from '../json/recent-texts.ts'
import { replace } from '../json/splice.ts'
import type { Id, Message } from '../protocol/json-rpc.ts'
import { paths } from '../protocol/paths.ts'
import { envelopeOf, unknownPlaces } from './envelope.ts'
import type { Envelope, Places } from './envelope.ts'
import { idIn, jsonOf } from './id.ts'

/** The largest message that the proxy parses as a whole, in bytes. */
const maxRead = 1024 * 1024
/** From this size on, in bytes, `members` parses only the members that the caller names. */
const maxParse = 256 * 1024

export class Frame implements Envelope, Places {
  /** Valid UTF-8 and JSON without line breaks. So every transport can send the bytes unchanged. */
  readonly bytes: Buffer
  readonly kind: Envelope['kind']
  readonly id: Id | undefined
  readonly method: string | undefined
  readonly progressToken: Id | undefined
  readonly protocolVersion: string | undefined
  readonly errorCode: number | undefined
  readonly failure: ProxyError | undefined
  readonly idStart: number
  readonly idEnd: number
  readonly tokenStart: number
  readonly tokenEnd: number
  readonly nameStart: number
  readonly nameEnd: number
  readonly hasCapabilities: boolean
  readonly isClear: boolean

  /**
   * Call `parseFrame` or `makeFrame` instead: they read the envelope from the bytes.
   *
   * @param places must be those of `bytes`
   */
  constructor(bytes: Buffer, envelope: Envelope, places = unknownPlaces) {
    this.bytes = bytes
    this.kind = envelope.kind
    this.id = envelope.id
    this.method = envelope.method
    this.progressToken = envelope.progressToken
    this.protocolVersion = envelope.protocolVersion
    this.errorCode = envelope.errorCode
    this.failure = envelope.failure
    this.idStart = places.idStart
    this.idEnd = places.idEnd
    this.tokenStart = places.tokenStart
    this.tokenEnd = places.tokenEnd
    this.nameStart = places.nameStart
    this.nameEnd = places.nameEnd
    this.hasCapabilities = places.hasCapabilities
    this.isClear = places.isClear
  }

  /** Returns a copy with other bytes. The id and the progress token in the bytes may be new. */
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

  /**
   * Parses the whole message, again at each call. The proxy calls it only for messages that it
   * reads as a whole. Where single members are enough, `idAt` and `stringAt` are faster, and have
   * no limit.
   *
   * @throws ProxyError `ERR_FRAME_TOO_LARGE` if the message is over `maxSize` bytes (default 1
   * MiB), because a parsed message can take more than forty times its bytes
   */
  message(maxSize = maxRead): Message {
    const { length } = this.bytes
    if (length > maxSize) {
      const message = `the proxy does not read a message of ${length} bytes (the limit is ${maxSize})`
      throw new ProxyError('ERR_FRAME_TOO_LARGE', message)
    }
    return JSON.parse(this.bytes.toString()) as Message
  }

  /**
   * Parses the members in `shape`. The result of a small message may have more members. The result
   * of a large one has only these.
   */
  members(shape: Shape): Message {
    if (this.bytes.length < maxParse) return JSON.parse(this.bytes.toString()) as Message
    return pick(this.bytes, shape) as Message
  }

  toString(): string {
    return this.bytes.toString()
  }
}

const recentNames = new RecentTexts()

/** Reads the name of the tool or the prompt in a request. Most names have a known place. */
export function nameIn({ bytes, nameStart, nameEnd }: Frame): string | undefined {
  if (nameEnd === 0) return stringAt(bytes, paths.toolName)
  return recentNames.read(bytes, nameStart + 1, nameEnd - 1)
}

/** Returns the place of the id in a request or response. Most ids have a known place. */
export function placeOfId({ bytes, idStart, idEnd }: Frame): Span {
  return idEnd === 0 ? (findValue(bytes, paths.id) as Span) : { start: idStart, end: idEnd }
}

/** Reads the request id at `path`. Returns undefined if there is none. */
export const idAt = (frame: Frame, path: readonly string[]): Id | undefined =>
  idIn(frame.bytes, path)

/** Makes a frame from a message that the proxy itself writes. */
export function makeFrame(message: Message): Frame {
  if (typeof message.id === 'bigint') return withId(makeFrame({ ...message, id: 0 }), message.id)
  return new Frame(Buffer.from(JSON.stringify(message)), envelopeOf(message))
}

/**
 * Returns a copy of a request or response with another id.
 *
 * @param written the id as a number, or as JSON text
 */
export const withId = (frame: Frame, id: Id, written: string | number = jsonOf(id)): Frame =>
  frame.withBytes(replace(frame.bytes, placeOfId(frame), written), id)
