// The tokens that clients may send, and the principal of each. A principal is the name of a user or
// program. The table keeps the SHA-256 digests of the tokens and not the tokens. It compares digests,
// and always all of them, so the time of a comparison does not depend on the tokens.

import { hash, timingSafeEqual } from 'node:crypto'
import { ProxyError } from '../../errors.ts'
import { quote } from '../../text.ts'

/** A token, and the principal that it stands for. */
export interface TokenEntry {
  principal: string
  /** The SHA-256 digest of the token. */
  digest: Buffer
}

const digestOf = (token: string): Buffer => hash('sha256', token, 'buffer')

/** Whether a client can send the text as a token: it has only visible ASCII characters. */
const isToken = (text: string): boolean => /^[\x21-\x7e]+$/.test(text)

/** @throws ProxyError `ERR_CONFIG` if no client could send the token. The message does not show it */
export function toEntry(principal: string, token: string): TokenEntry {
  if (isToken(token)) return { principal, digest: digestOf(token) }
  throw new ProxyError(
    'ERR_CONFIG',
    'a token must have visible ASCII characters only, and no space'
  )
}

/**
 * Reads the text of a token file. Each line is `name:token` or `name:sha256:HEX`. Blank lines and
 * lines that begin with `#` are skipped. A name may have several tokens.
 *
 * @throws ProxyError `ERR_CONFIG` with the number of the wrong line. The message shows no token
 */
export function parseTokens(text: string): TokenEntry[] {
  const lines = text.replace(/^\ufeff/, '').split('\n')
  const owners = new Map<string, string>()
  return lines.flatMap((line, index) => {
    const trimmed = line.trim()
    if (trimmed === '' || trimmed.startsWith('#')) return []
    try {
      const entry = parseLine(trimmed)
      const key = entry.digest.toString('hex')
      const owner = owners.get(key) ?? entry.principal
      owners.set(key, owner)
      if (owner === entry.principal) return [entry]
      throw new ProxyError('ERR_CONFIG', `${quote(owner)} has the same token`)
    } catch (cause) {
      throw new ProxyError('ERR_CONFIG', `line ${index + 1}`, { cause })
    }
  })
}

function parseLine(line: string): TokenEntry {
  const colon = line.indexOf(':')
  const name = line.slice(0, Math.max(0, colon)).trim()
  // The message must not repeat the line, because a line without a name may be a token.
  if (name === '') throw new ProxyError('ERR_CONFIG', 'write name:token or name:sha256:HEX')
  const token = line.slice(colon + 1).trim()
  if (!/^sha256:/i.test(token)) return toEntry(name, token)
  const hex = token.slice('sha256:'.length)
  if (!/^[0-9a-f]{64}$/i.test(hex)) {
    throw new ProxyError('ERR_CONFIG', 'a SHA-256 digest has 64 hexadecimal digits')
  }
  return { principal: name, digest: Buffer.from(hex, 'hex') }
}

/** Returns the entry of a token, or `undefined` if no entry has the token. */
export function findEntry(entries: readonly TokenEntry[], token: string): TokenEntry | undefined {
  const digest = digestOf(token)
  let found: TokenEntry | undefined
  for (const entry of entries) {
    if (timingSafeEqual(entry.digest, digest)) found = entry
  }
  return found
}

/** Whether two entries have the same token and the same principal. */
export const isSame = (one: TokenEntry, other: TokenEntry | undefined): boolean =>
  one.principal === other?.principal && one.digest.equals(other.digest)
