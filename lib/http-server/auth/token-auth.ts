// Authorization by fixed tokens, from a file and from the configuration. The file is read again when
// it has changed, so an operator can replace a token while the proxy runs. A request looks for a
// change if no request has looked in the last 250 ms, so no timer is needed. A reload reads the file
// at once.

import { readFileSync, statSync } from 'node:fs'
import { describe, ProxyError } from '../../errors.ts'
import { notAFile, versionOf } from '../../file-version.ts'
import { silent } from '../../log.ts'
import type { Log } from '../../log.ts'
import type { Auth, Grant } from './auth.ts'
import { findEntry, isSame, parseTokens, toEntry } from './tokens.ts'
import type { TokenEntry } from './tokens.ts'

export interface TokenAuthOptions {
  /**
   * The path of a file with a token in each line: `name:token` or `name:sha256:HEX` (default: none).
   * `#` begins a comment line. The name is the principal.
   */
  file?: string | undefined
  /** One more token (default: none). Its principal is `default`. */
  token?: string | undefined
  /** Receives what happens when the file has changed (default: silent). */
  log?: Log | undefined
}

/** The principal of a token without a name. */
const defaultPrincipal = 'default'

/** The shortest time between two looks at the file, in ms. */
const lookInterval = 250

/**
 * Makes the authorization for the option `auth` of `listen`.
 *
 * @throws ProxyError `ERR_CONFIG` if the file cannot be read, has a wrong line, or has no token
 */
export function tokenAuth({ file, token, log = silent }: TokenAuthOptions): Auth {
  const own = token === undefined ? [] : [toEntry(defaultPrincipal, token)]
  if (file === undefined) return { check: (token) => findEntry(own, token) }
  const tokens = new TokenFile(file, log)
  return {
    check(token) {
      const entry = findEntry([...own, ...tokens.entries()], token)
      return entry === undefined || own.includes(entry) ? entry : tokens.grant(entry)
    },
    reload: () => tokens.reload()
  }
}

class TokenFile {
  readonly #file: string
  readonly #log: Log
  #entries: TokenEntry[]
  /** Changes with the file. */
  #version: string
  #lastLook = performance.now()

  constructor(file: string, log: Log) {
    this.#file = file
    this.#log = log
    this.#version = currentVersion(file)
    this.#entries = readTokenFile(file)
    if (this.#entries.length === 0) throw new ProxyError('ERR_CONFIG', `${file} has no token`)
  }

  entries(): TokenEntry[] {
    const now = performance.now()
    if (now - this.#lastLook >= lookInterval) {
      this.#lastLook = now
      const version = currentVersion(this.#file)
      if (version !== this.#version) this.#readAgain(version)
    }
    return this.#entries
  }

  /** Returns a grant that is valid as long as the file has the entry. */
  grant(entry: TokenEntry): Grant {
    let seen = this.#entries
    let isThere = true
    const isValid = (): boolean => {
      const entries = this.entries()
      if (entries !== seen) isThere = entries.some((other) => isSame(other, entry))
      seen = entries
      return isThere
    }
    return { principal: entry.principal, isValid }
  }

  /** Reads the file, even if a look has found no change: it may have found a wrong file. */
  reload(): boolean {
    const version = currentVersion(this.#file)
    if (version === notAFile) return false
    const entries = readTokenFile(this.#file)
    const before = this.#entries
    this.#version = version
    this.#entries = entries
    return entries.length !== before.length || !entries.every((one, i) => isSame(one, before[i]))
  }

  // A file that an operator is about to write may be wrong for a moment. A request must not fail then.
  #readAgain(version: string): void {
    this.#version = version
    try {
      this.#entries = readTokenFile(this.#file)
    } catch (error) {
      this.#log.error(`the tokens did not change: ${describe(error)}`)
      return
    }
    const count = this.#entries.length
    if (count === 0) this.#log.warn(`${this.#file} has no token any more`)
    else this.#log.info(`${this.#file} has changed: ${count} ${count === 1 ? 'token' : 'tokens'}`)
  }
}

/**
 * Reads the tokens of a file.
 *
 * @throws ProxyError `ERR_CONFIG`
 */
function readTokenFile(file: string): TokenEntry[] {
  let text
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new ProxyError('ERR_CONFIG', `cannot read ${file}`, { cause })
  }
  try {
    return parseTokens(text)
  } catch (cause) {
    throw new ProxyError('ERR_CONFIG', file, { cause })
  }
}

const currentVersion = (file: string): string =>
  versionOf(statSync(file, { throwIfNoEntry: false }))
