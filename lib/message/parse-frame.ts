// Reads a frame from the bytes of one message. The code checks that the bytes are UTF-8, JSON and
// JSON-RPC, and reads the envelope (kind, id, method and more). It does not parse the rest, because
// the values of a hostile message can take more than twenty times its bytes.

import { isUtf8 } from 'node:buffer'
import { describe, ProxyError } from '../errors.ts'
import { CR, LF, SPACE } from '../json/bytes.ts'
import { checkJson } from '../json/check.ts'
import { trimBlank } from '../json/walker.ts'
import type { Id, Message } from '../protocol/json-rpc.ts'
import { envelopeOf } from './envelope.ts'
import type { Envelope, Places } from './envelope.ts'
import { Frame } from './frame.ts'
import { outlineOf } from './outline.ts'
import { EnvelopeError, RefusedError } from './refusal.ts'
import { isEnvelope } from './schemas.ts'
import { usualEnvelope } from './usual-envelope.ts'

/**
 * Reads a frame. The frame keeps `bytes` itself, not a copy, without the white space round the
 * message. The function replaces line breaks in `bytes` by spaces, because a line of stdio and an
 * SSE event cannot hold line breaks.
 *
 * @throws ProxyError `ERR_FRAME_SYNTAX` if the bytes are not UTF-8 or not JSON,
 *   `ERR_FRAME_ENVELOPE` if they are not a JSON-RPC 2.0 message that MCP allows, or if its id is too
 *   long
 */
export function parseFrame(bytes: Buffer): Frame {
  // Some peers accept no white space after a message.
  const object = trimBlank(bytes)
  const usual = checked(object)
  const envelope = usual ?? unusualEnvelope(object)
  if (usual === undefined) removeLineBreaks(object)
  return new Frame(object, envelope, usual)
}

/** Checks that the bytes are JSON in UTF-8. Returns the envelope if the message is usual. */
function checked(bytes: Buffer): (Envelope & Places) | undefined {
  try {
    const usual = usualEnvelope(bytes)
    if (usual?.isAscii === true) return usual
    checkUtf8(bytes)
    if (usual === undefined) checkJson(bytes)
    return usual
  } catch (cause) {
    checkUtf8(bytes)
    throw new ProxyError('ERR_FRAME_SYNTAX', `the message is not JSON (${describe(cause)})`)
  }
}

function checkUtf8(bytes: Buffer): void {
  if (!isUtf8(bytes)) throw new ProxyError('ERR_FRAME_SYNTAX', 'the message is not UTF-8')
}

/** Reads the envelope of any message. */
function unusualEnvelope(bytes: Buffer): Envelope {
  const message = outlineOf(bytes)
  if (!isEnvelope(message)) throw new EnvelopeError(message, bytes)
  const envelope = envelopeOf(message as Message, bytes)
  checkLengths(envelope)
  return envelope
}

/**
 * The longest id, progress token or method, in characters. The proxy keeps them until the response
 * comes, perhaps for hours.
 */
export const maxLength = 4096
/** A number with more digits than this, as an id. */
const longNumber = 1n << BigInt(8 * maxLength)

/** @throws RefusedError `ERR_FRAME_ENVELOPE` */
function checkLengths({ kind, id, method, progressToken }: Envelope): void {
  const isLongId = isLong(id)
  if (!isLongId && !isLong(method) && !isLong(progressToken)) return
  const message = `the id, the method or the progress token has more than ${maxLength} characters`
  throw new RefusedError('ERR_FRAME_ENVELOPE', message, { kind, id: isLongId ? undefined : id })
}

const isLong = (value: Id | undefined): boolean =>
  typeof value === 'string'
    ? value.length > maxLength
    : typeof value === 'bigint' && value >= longNumber

// Replaces line breaks by spaces. JSON allows a line break only between tokens, where a space has
// the same meaning. Node's native search is the fastest way to find that a message has no
// line break, as most messages.
function removeLineBreaks(bytes: Buffer): void {
  const first = Math.min(indexOf(bytes, LF), indexOf(bytes, CR))
  for (let at = first; at < bytes.length; at++) {
    if (bytes[at] === LF || bytes[at] === CR) bytes[at] = SPACE
  }
}

/** Returns the index of the first such byte, or the length if there is none. */
function indexOf(bytes: Buffer, byte: number): number {
  const at = bytes.indexOf(byte)
  return at === -1 ? bytes.length : at
}
