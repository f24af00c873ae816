// Authenticates with a user name and a password: Basic (RFC 7617), or Digest (RFC 7616).
//
// Basic sends the password with every request. Digest never sends it: the server gives a nonce in
// its first refusal, and each request then proves with a hash of password, nonce, method and path
// that the proxy knows the password. The proxy uses a nonce until the server calls it stale. Digest
// with `auth-int` is left out, because it would hash the body too.

import { createHash, randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { parseChallenges } from './challenges.ts'
import type { Challenge } from './challenges.ts'
import type { AuthorizedRequest, Credentials } from './credentials.ts'

export interface LoginOptions {
  username: string
  /** The password. No error and no log shows it. */
  password: string
  /** Whether to use Digest (default: false, Basic). Basic over `http:` shows the password. */
  digest?: boolean | undefined
}

/** Returns credentials with a user name and a password. */
export function login(options: LoginOptions): Credentials {
  return options.digest === true ? new Digest(options) : new Basic(options)
}

class Basic implements Credentials {
  readonly #header: string

  constructor({ username, password }: LoginOptions) {
    this.#header = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  }

  authorize(): Promise<string> {
    return Promise.resolve(this.#header)
  }

  refused(): boolean {
    return false
  }
}

/** The algorithms, best first. The key is the name in a challenge, in lower case. */
const hashes = new Map([
  ['sha-512-256', 'sha512-256'],
  ['sha-256', 'sha256'],
  ['md5', 'md5']
])

/** What the proxy keeps of a challenge. */
interface Nonce {
  nonce: string
  realm: string
  opaque: string | undefined
  /** The name of the algorithm as the server wrote it. Undefined if it named none. */
  algorithm: string | undefined
  hash: (text: string) => string
  /** Whether the algorithm hashes the user's key together with the nonce. */
  session: boolean
  /** Whether the server takes the quality of protection `auth`. Only very old servers do not. */
  qop: boolean
  /** Whether the header has a hash instead of the user name. */
  userhash: boolean
  /** The nonce of the proxy. */
  cnonce: string
  /** How many requests have used this nonce. */
  count: number
}

class Digest implements Credentials {
  readonly #username: string
  readonly #password: string
  #nonce: Nonce | undefined

  constructor({ username, password }: LoginOptions) {
    this.#username = username
    this.#password = password
  }

  authorize(request: AuthorizedRequest): Promise<string | undefined> {
    const nonce = this.#nonce
    return Promise.resolve(nonce === undefined ? undefined : this.#respond(nonce, request))
  }

  refused(authorization: string | undefined, headers: IncomingHttpHeaders): boolean {
    const challenges = parseChallenges(headers['www-authenticate'])
    const offers = challenges.filter(({ scheme }) => scheme === 'digest')
    const [challenge] = [...hashes.keys()].flatMap((name) =>
      offers.filter((offer) => uses(offer, name))
    )
    if (challenge === undefined) return false
    const isStale = challenge.params.get('stale')?.toLowerCase() === 'true'
    // Another request may have brought a new nonce since this request was sent.
    const isOld = !authorization?.includes(this.#quotedNonce)
    const mayRepeat = isStale || isOld
    this.#nonce = mayRepeat ? nonceOf(challenge) : undefined
    return mayRepeat
  }

  get #quotedNonce(): string {
    return `nonce=${quoted(this.#nonce?.nonce ?? '')}`
  }

  #respond(nonce: Nonce, { method, url }: AuthorizedRequest): string {
    const { realm, hash, cnonce } = nonce
    const uri = url.pathname + url.search
    const count = (++nonce.count).toString(16).padStart(8, '0')
    const secret = hash(`${this.#username}:${realm}:${this.#password}`)
    const user = nonce.session ? hash(`${secret}:${nonce.nonce}:${cnonce}`) : secret
    const middle = nonce.qop ? `${nonce.nonce}:${count}:${cnonce}:auth` : nonce.nonce
    const username = nonce.userhash ? hash(`${this.#username}:${realm}`) : this.#username
    const parts = [
      `username=${quoted(username)}`,
      `realm=${quoted(realm)}`,
      `nonce=${quoted(nonce.nonce)}`,
      `uri=${quoted(uri)}`,
      `response="${hash(`${user}:${middle}:${hash(`${method}:${uri}`)}`)}"`
    ]
    if (nonce.algorithm !== undefined) parts.push(`algorithm=${nonce.algorithm}`)
    if (nonce.opaque !== undefined) parts.push(`opaque=${quoted(nonce.opaque)}`)
    if (nonce.qop) parts.push('qop=auth', `nc=${count}`)
    if (nonce.qop || nonce.session) parts.push(`cnonce="${cnonce}"`)
    if (nonce.userhash) parts.push('userhash=true')
    // A header takes one character for each byte. The text is UTF-8.
    return Buffer.from(`Digest ${parts.join(', ')}`).toString('latin1')
  }
}

/** Whether a challenge uses this algorithm, in a way that the proxy knows. */
function uses({ params }: Challenge, name: string): boolean {
  const algorithm = (params.get('algorithm') ?? 'md5').toLowerCase().replace(/-sess$/, '')
  const qop = params.get('qop')
  return algorithm === name && params.has('nonce') && (qop === undefined || takesAuth(qop))
}

const takesAuth = (qop: string): boolean =>
  qop.split(',').some((one) => one.trim().toLowerCase() === 'auth')

function nonceOf({ params }: Challenge): Nonce {
  const algorithm = params.get('algorithm')
  const name = (algorithm ?? 'md5').toLowerCase()
  const session = name.endsWith('-sess')
  const engine = hashes.get(session ? name.slice(0, -5) : name) as string
  return {
    nonce: params.get('nonce') as string,
    realm: params.get('realm') ?? '',
    opaque: params.get('opaque'),
    algorithm,
    hash: (text) => createHash(engine).update(text).digest('hex'),
    session,
    qop: params.has('qop'),
    userhash: params.get('userhash')?.toLowerCase() === 'true',
    cnonce: randomBytes(16).toString('hex'),
    count: 0
  }
}

/** Writes a quoted string (RFC 9110, section 5.6.4). */
const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`
