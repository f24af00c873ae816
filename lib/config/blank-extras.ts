// VS Code allows comments and trailing commas in its JSON files. This replaces them by spaces, so the offsets
// in error messages stay correct. It reads each character once: a regular expression with a callback for
// each string would block the event loop for ten times as long.

/** Returns the text without comments and trailing commas. The text keeps its length and its lines. */
export function blankExtras(text: string): string {
  /** The places to blank, in the order of the text: start and end of each. */
  const places: [number, number][] = []
  /** How many places there were at the last comma, if only blanks and comments have followed it. */
  let atComma = -1
  let comma = 0
  /** Where the next comment in `/*` ends. To search for it at each one would take quadratic time. */
  let starSlash = 0
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '"':
        at = closingQuote(text, at)
        atComma = -1
        break
      case '/': {
        if (starSlash !== -1 && starSlash < at + 2) starSlash = text.indexOf('*/', at + 2)
        const end = commentEnd(text, at, starSlash)
        if (end === at) break
        places.push([at, end])
        at = end - 1
        break
      }
      case ',':
        atComma = places.length
        comma = at
        break
      case '}':
      case ']':
        if (atComma !== -1) places.splice(atComma, 0, [comma, comma + 1])
        atComma = -1
        break
      case ' ':
      case '\t':
      case '\r':
      case '\n':
        break
      default:
        atComma = -1
    }
  }
  return blank(text, places)
}

/** Returns the index of the quote that ends the string, or the length of the text. */
function closingQuote(text: string, open: number): number {
  let at = open + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return Math.min(at, text.length)
}

/**
 * Returns the index after a comment, or `start` if no complete comment starts there.
 *
 * @param starSlash the index of the first `*` and `/` after the start, or -1
 */
function commentEnd(text: string, start: number, starSlash: number): number {
  if (text[start + 1] === '/') {
    toLineEnd.lastIndex = start
    toLineEnd.test(text)
    return toLineEnd.lastIndex
  }
  return text[start + 1] === '*' && starSlash !== -1 ? starSlash + 2 : start
}

const toLineEnd = /[^\r\n]*/y

function blank(text: string, places: [number, number][]): string {
  const parts: string[] = []
  let from = 0
  for (const [start, end] of places) {
    parts.push(text.slice(from, start), text.slice(start, end).replace(/[^\r\n]/g, ' '))
    from = end
  }
  parts.push(text.slice(from))
  return parts.join('')
}
