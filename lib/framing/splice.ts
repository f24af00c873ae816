// Changing single values in the bytes of a message, and no byte beside them: what is parsed and
// written anew loses big integers, the order of keys, and everything else that travels unseen.

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** A value's place: from its first byte to behind its last. */
export interface Span {
  start: number
  end: number
}

/** Replaces the value at `path` (names of members, from the root) with `text`. */
export interface Replacement {
  path: string[]
  text: string
}

/**
 * The message with other values in some places, as new bytes. A path that leads nowhere changes
 * nothing.
 *
 * @param bytes a valid JSON object
 */
export function splice(bytes: Buffer, replacements: Replacement[]): Buffer {
  const found = replacements
    .map(({ path, text }) => ({ span: findValue(bytes, path), text }))
    .filter((entry): entry is { span: Span; text: string } => entry.span !== undefined)
    .sort((one, other) => one.span.start - other.span.start)
  const parts: Buffer[] = []
  let at = 0
  for (const { span, text } of found) {
    parts.push(bytes.subarray(at, span.start), Buffer.from(text))
    at = span.end
  }
  parts.push(bytes.subarray(at))
  return Buffer.concat(parts)
}

/** The text of the value at `path`, as it stands in `bytes`. */
export function valueText(bytes: Buffer, path: string[]): string | undefined {
  const span = findValue(bytes, path)
  return span && bytes.toString('utf8', span.start, span.end)
}

/** Finds the value at `path` in a valid JSON object. Of members with the same name the last counts. */
export function findValue(bytes: Buffer, path: string[]): Span | undefined {
  let span: Span | undefined = { start: skipBlank(bytes, 0), end: bytes.length }
  for (const name of path) {
    if (bytes[span.start] !== OPEN_BRACE) return undefined
    span = findMember(bytes, span.start, name)
    if (span === undefined) return undefined
  }
  return span
}

function findMember(bytes: Buffer, open: number, name: string): Span | undefined {
  let found: Span | undefined
  let at = skipBlank(bytes, open + 1)
  while (bytes[at] === QUOTE) {
    const keyEnd = stringEnd(bytes, at)
    const isIt = keyIs(bytes, at, keyEnd, name)
    const start = skipBlank(bytes, skipBlank(bytes, keyEnd) + 1)
    const end = valueEnd(bytes, start)
    if (isIt) found = { start, end }
    at = skipBlank(bytes, end)
    if (bytes[at] === COMMA) at = skipBlank(bytes, at + 1)
  }
  return found
}

function keyIs(bytes: Buffer, start: number, end: number, name: string): boolean {
  // A name of n characters takes n bytes between its quotes, or more if they are escaped.
  if (end - start < name.length + 2) return false
  const key = bytes.toString('utf8', start, end)
  return key === `"${name}"` || (key.includes('\\') && JSON.parse(key) === name)
}

/** The index behind the value that starts at `start`. */
function valueEnd(bytes: Buffer, start: number): number {
  const first = bytes[start]
  if (first === QUOTE) return stringEnd(bytes, start)
  let at = start
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    while (at < bytes.length && !endsScalar(bytes[at] as number)) at++
    return at
  }
  for (let depth = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) at = stringEnd(bytes, at) - 1
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++
    else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return at + 1
  }
  return at
}

const endsScalar = (byte: number): boolean =>
  byte <= 0x20 || byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || byte === COLON

/** The index behind the string whose opening quote is at `start`. */
export function stringEnd(bytes: Buffer, start: number): number {
  let end = bytes.indexOf(QUOTE, start + 1)
  // A quote behind an odd number of backslashes is part of the string.
  while (end !== -1 && isEscaped(bytes, end)) end = bytes.indexOf(QUOTE, end + 1)
  return end === -1 ? bytes.length : end + 1
}

function isEscaped(bytes: Buffer, at: number): boolean {
  let count = 0
  while (bytes[at - 1 - count] === BACKSLASH) count++
  return count % 2 === 1
}

function skipBlank(bytes: Buffer, at: number): number {
  while ((bytes[at] ?? 0xff) <= 0x20) at++
  return at
}
