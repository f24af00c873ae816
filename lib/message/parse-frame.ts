// Reads a frame from the bytes of one message: checks that they are UTF-8, JSON and JSON-RPC, and reads
// the envelope. A large message is parsed without its long strings, which are checked in the buffer.

import { isAscii, isUtf8 } from 'node:buffer'
import { describe, ProxyError } from '../errors.ts'
import { CR, LF, SPACE } from '../json/bytes.ts'
import { withoutLongStrings } from '../json/long-strings.ts'
import type { Message } from '../protocol/json-rpc.ts'
import { envelopeOf } from './envelope.ts'
import type { Envelope } from './envelope.ts'
import { Frame } from './frame.ts'
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
  const message = parse(text ?? decode(bytes))
  if (!isEnvelope(message)) throw new EnvelopeError(message)
  let envelope = envelopeOf(message as Message)
  // An empty string in the envelope may stand for a long one.
  const isCut = bytes.length >= large && text === undefined && hasEmpty(envelope)
  if (isCut) envelope = envelopeOf(parse(bytes.toString()) as Message)
  removeLineBreaks(bytes)
  return new Frame(bytes, envelope)
}

/** The size from which a message counts as large, in bytes. */
const large = 1_000_000

/** The text of the bytes. That of a large message lacks its long strings. */
function decode(bytes: Buffer): string {
  // ASCII is the same in Latin-1, which is decoded in a fraction of the time.
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

// JSON allows a raw line break only between tokens, where a space means the same.
function removeLineBreaks(bytes: Buffer): void {
  for (const lineBreak of [LF, CR]) {
    for (let at = bytes.indexOf(lineBreak); at !== -1; at = bytes.indexOf(lineBreak, at + 1)) {
      bytes[at] = SPACE
    }
  }
}
