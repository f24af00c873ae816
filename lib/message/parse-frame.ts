// Reads a frame from the bytes of one message: checks that they are UTF-8, JSON and JSON-RPC, and reads
// the envelope. Of a large message only the envelope is parsed.

import { isAscii, isUtf8 } from 'node:buffer'
import { describe, ProxyError } from '../errors.ts'
import { CR, LF, SPACE } from '../json/bytes.ts'
import { checkJson } from '../json/check.ts'
import type { Message } from '../protocol/json-rpc.ts'
import { envelopeOf } from './envelope.ts'
import { Frame } from './frame.ts'
import { outlineOf } from './outline.ts'
import { EnvelopeError } from './refusal.ts'
import { isEnvelope } from './schemas.ts'

/**
 * Reads a frame. The frame keeps `bytes`, and line breaks between tokens become spaces in it, since
 * neither a line nor an event can hold them.
 *
 * @param text the decoded bytes, if the caller has decoded them already
 * @throws ProxyError `ERR_FRAME_SYNTAX` if the bytes are not UTF-8 or not JSON, `ERR_FRAME_ENVELOPE` if
 * they are not a JSON-RPC 2.0 message that MCP allows
 */
export function parseFrame(bytes: Buffer, text?: string): Frame {
  const message = bytes.length < large ? parse(text ?? decode(bytes)) : parseLarge(bytes)
  if (!isEnvelope(message)) throw new EnvelopeError(message)
  removeLineBreaks(bytes)
  return new Frame(bytes, envelopeOf(message as Message))
}

/**
 * From this size on, in bytes, only the envelope of a message is parsed. Small objects take more than
 * twenty times their bytes in memory, so this bounds what a hostile message can take.
 */
const large = 256 * 1024

function decode(bytes: Buffer): string {
  // ASCII is the same in Latin-1, which is decoded in a fraction of the time.
  if (isAscii(bytes)) return bytes.toString('latin1')
  if (!isUtf8(bytes)) throw notUtf8()
  return bytes.toString()
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw notJson(cause)
  }
}

function parseLarge(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw notUtf8()
  try {
    checkJson(bytes)
  } catch (cause) {
    throw notJson(cause)
  }
  return outlineOf(bytes)
}

const notUtf8 = (): ProxyError => new ProxyError('ERR_FRAME_SYNTAX', 'the message is not UTF-8')

const notJson = (cause: unknown): ProxyError =>
  new ProxyError('ERR_FRAME_SYNTAX', `the message is not JSON (${describe(cause)})`)

// JSON allows a raw line break only between tokens, where a space means the same. Most messages have
// none, which Node's own search finds out fastest.
function removeLineBreaks(bytes: Buffer): void {
  const first = Math.min(indexOf(bytes, LF), indexOf(bytes, CR))
  for (let at = first; at < bytes.length; at++) {
    if (bytes[at] === LF || bytes[at] === CR) bytes[at] = SPACE
  }
}

/** The index of a byte; the length if there is none. */
function indexOf(bytes: Buffer, byte: number): number {
  const at = bytes.indexOf(byte)
  return at === -1 ? bytes.length : at
}
