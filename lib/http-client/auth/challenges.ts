// Parses the header `WWW-Authenticate`: the list of the ways in which a client may authenticate
// (RFC 9110, section 11.6.1). The header comes from the server, so it may have any text. The parser
// skips what it cannot read, and takes time in proportion to the length.

export interface Challenge {
  /** The scheme in lower case, such as `digest`. */
  scheme: string
  /** The parameters. The names are in lower case. */
  params: Map<string, string>
}

/** A longer header is cut, because no server needs so much. */
const maxLength = 16 * 1024

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
// A parameter: a name, `=`, and a token or a quoted string.
const param = new RegExp(`(${token})[ \\t]*=[ \\t]*(?:(${token})|"((?:[^"\\\\]|\\\\.)*)")`, 'y')
const scheme = new RegExp(`(${token})(?=[ \\t,]|$)`, 'y')
// One word of characters that belong to nothing, or one separator.
const noise = /[^\s,"]+|[\s,"]/y

/** @param header the values of the header. Node joins several headers with commas */
export function parseChallenges(header: string | string[] | undefined): Challenge[] {
  const text = [header ?? ''].flat().join(', ').slice(0, maxLength)
  const challenges: Challenge[] = []
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match !== null) at = pattern.lastIndex
    return match
  }
  while (at < text.length) {
    const found = take(param)
    if (found !== null) {
      const [, name = '', plain, quoted = ''] = found
      const value = plain ?? quoted.replace(/\\(.)/gs, '$1')
      const params = challenges.at(-1)?.params
      if (params?.has(name.toLowerCase()) === false) params.set(name.toLowerCase(), value)
      continue
    }
    const name = take(scheme)?.[1]
    if (name !== undefined) challenges.push({ scheme: name.toLowerCase(), params: new Map() })
    else take(noise)
  }
  return challenges
}
