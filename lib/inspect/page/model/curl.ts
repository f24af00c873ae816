// Writes a call as a command line for `curl`, in a POSIX shell. The text of a message comes from a peer,
// and a person pastes the line into a terminal. So the line has one line, no control character, and no
// character that the shell or the terminal could understand as anything but itself.

import type { MessageEntry, Session } from '../../entries.ts'
import { escape } from './visible.ts'

export interface CurlTarget {
  /** `undefined` if it is not known: the line then needs the variable MCP_URL. */
  url: string | undefined
  /** Whether the server asks for a token: the line then needs the variable MCP_TOKEN. */
  needsToken: boolean
  session: Session | undefined
}

/** The longest message for a command line, in characters. Linux takes 128 KiB for an argument. */
export const maxArgument = 100_000

/** Why a message has no command line, or undefined if it has one. */
export function withoutCurl({ from, kind, text, cut }: MessageEntry): string | undefined {
  if (from !== 'client' || kind === 'response') return 'only messages of a client can be sent'
  if (cut || text.length > maxArgument) return 'the message is too long for a command line'
  return undefined
}

/** @param message one of those for which `withoutCurl` returns undefined */
export function curlLine(
  { text, name }: MessageEntry,
  { url, needsToken, session }: CurlTarget
): string {
  const words = [
    'curl',
    url === undefined ? '"$MCP_URL"' : quote(url),
    '-H',
    quote('Content-Type: application/json'),
    '-H',
    quote('Accept: application/json, text/event-stream')
  ]
  if (needsToken) words.push('-H', '"Authorization: Bearer $MCP_TOKEN"')
  for (const header of modernHeaders(text, name)) words.push('-H', quote(header))
  // The id of a session is a secret, so the page does not have it.
  const needsSession =
    session !== undefined && session.kind !== 'modern' && session.kind !== 'stateless'
  if (needsSession && methodIn(text) !== 'initialize') {
    words.push('-H', '"Mcp-Session-Id: $MCP_SESSION"')
  }
  words.push('--data-raw', quote(oneLine(text)))
  return words.join(' ')
}

/** Quotes a word for a POSIX shell. Between single quotes, only a single quote has a meaning. */
export const quote = (word: string): string => `'${printable(word).replaceAll("'", `'\\''`)}'`

/** White space between the tokens of JSON has no meaning. Inside of strings it is escaped already. */
const oneLine = (json: string): string => json.replace(/[\t\n\r]/g, ' ')

/** In JSON, a character and its escape are the same, and such characters are only inside of strings. */
const printable = (text: string): string =>
  text.replace(/[^\x20-\x7e\xa1-\xac\xae-\u02ff]/g, escape)

/** Messages of revision 2026-07-28 say in headers what the body says. */
function modernHeaders(text: string, name: string | undefined): string[] {
  const message = parse(text)
  const meta = message?.params?._meta
  const version = meta?.['io.modelcontextprotocol/protocolVersion']
  if (typeof version !== 'string') return []
  const headers = [`MCP-Protocol-Version: ${version}`, `Mcp-Method: ${String(message?.method)}`]
  if (name !== undefined) headers.push(`Mcp-Name: ${encode(name)}`)
  return headers
}

const methodIn = (text: string): unknown => parse(text)?.method

interface Parsed {
  method?: unknown
  params?: { _meta?: Record<string, unknown> }
}

function parse(text: string): Parsed | undefined {
  try {
    return JSON.parse(text) as Parsed
  } catch {
    return undefined
  }
}

/** Encodes a value for a header (2026-07-28, Streamable HTTP, Value Encoding). */
function encode(value: string): string {
  if (/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !value.startsWith('=?base64?')) {
    return value
  }
  const bytes = new TextEncoder().encode(value)
  return `=?base64?${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))}?=`
}
