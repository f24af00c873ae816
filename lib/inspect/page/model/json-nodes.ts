// JSON as a tree that opens step by step. A node is a part of the text, and its children are found only
// when it opens. So the page shows the text as it is (`1.0`, a name twice), a large message costs only
// what is looked at, and a deep one does not fill the stack.

export interface JsonNode {
  kind: 'object' | 'array' | 'string' | 'number' | 'word'
  /** The value is `text.slice(start, end)`. */
  start: number
  end: number
  /** The name of the member with its quotes, or the index in an array. */
  key?: string | undefined
}

const quote = 34
const openingBrace = 123
const closingBrace = 125

const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13)

function skipSpace(text: string, at: number): number {
  while (at < text.length && isSpace(text.charCodeAt(at))) at++
  return at
}

/** Returns the index after a string. */
function skipString(text: string, at: number): number {
  let end = text.indexOf('"', at + 1)
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end === -1 ? text.length : end + 1
}

function isEscaped(text: string, at: number): boolean {
  let slash = at
  while (text[slash - 1] === '\\') slash--
  return (at - slash) % 2 === 1
}

/** Returns the index after a value. If the text is no JSON, it may be the end of the text. */
function skipValue(text: string, at: number): number {
  const first = text[at]
  if (first === '"') return skipString(text, at)
  if (first !== '{' && first !== '[') {
    const length = text.slice(at, at + 5000).search(/[\s,\]}]/)
    return length === -1 ? Math.min(text.length, at + 5000) : at + Math.max(1, length)
  }
  for (let depth = 0, index = at; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === quote) index = skipString(text, index) - 1
    // `[` and `{`, `]` and `}` differ in one bit.
    else if ((code | 32) === openingBrace) depth++
    else if ((code | 32) === closingBrace && --depth === 0) return index + 1
  }
  return text.length
}

function nodeAt(text: string, start: number, key?: string): JsonNode {
  const first = text[start] as string
  const kind =
    first === '{'
      ? 'object'
      : first === '['
        ? 'array'
        : first === '"'
          ? 'string'
          : /[-\d]/.test(first)
            ? 'number'
            : 'word'
  return { kind, start, end: skipValue(text, start), key }
}

/** Returns the root, or undefined for an empty text. */
export function rootOf(text: string): JsonNode | undefined {
  const start = skipSpace(text, 0)
  return start === text.length ? undefined : nodeAt(text, start)
}

/** Returns the members of an object, or the items of an array. */
export function childrenOf(text: string, { kind, start, end }: JsonNode): JsonNode[] {
  if (kind !== 'object' && kind !== 'array') return []
  const children: JsonNode[] = []
  for (let at = skipSpace(text, start + 1); at < end;) {
    if (text[at] === '}' || text[at] === ']') break
    let key = String(children.length)
    if (kind === 'object') {
      const keyEnd = skipValue(text, at)
      key = text.slice(at, keyEnd)
      at = skipSpace(text, keyEnd)
      if (text[at] === ':') at = skipSpace(text, at + 1)
      if (at >= end) break
    }
    const child = nodeAt(text, at, key)
    children.push(child)
    at = skipSpace(text, child.end)
    if (text[at] === ',') at = skipSpace(text, at + 1)
  }
  return children
}

/** The length of a line of a long string, in characters. */
const lineLength = 120

/** Returns a string as lines: at its own line breaks, and after 120 characters. */
export function linesOf(text: string, { start, end }: JsonNode): string[] {
  return decode(text.slice(start, end))
    .split(/\r?\n/)
    .flatMap((line) => line.match(new RegExp(`[^]{1,${lineLength}}`, 'g')) ?? [''])
}

/** Whether a string is shown as lines when it opens. */
export const isLong = (text: string, { kind, start, end }: JsonNode): boolean =>
  kind === 'string' && (end - start > 80 || text.slice(start, end).includes('\\n'))

function decode(json: string): string {
  try {
    return String(JSON.parse(json))
  } catch {
    // A message that is cut ends inside of a string.
    return json
  }
}
