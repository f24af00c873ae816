// Keeps the cookies that servers set: with them, a load balancer sends all requests of a session to the
// same server (RFC 6265). A cookie goes back only to the origin that set it. The parser loads with the
// first cookie.

import type { Cookie } from 'undici/lib/web/cookies/parse.js'

interface Kept {
  name: string
  value: string
  path: string
  /** The end of the cookie, in ms since 1970. */
  end: number
}

/** How many cookies of an origin are kept. More replace the oldest. */
const maxCookies = 50

export class CookieJar {
  /** Whether any cookie was set. */
  isUsed = false
  readonly #now: () => number
  /** Origin → path and name → cookie. */
  readonly #origins = new Map<string, Map<string, Kept>>()
  /** Resolves when all cookies are stored. */
  #stored: Promise<void> = Promise.resolve()

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** @param lines the values of the header `Set-Cookie` */
  store(url: URL, lines: string | string[]): void {
    this.isUsed = true
    this.#stored = this.#store(url, [lines].flat(), this.#stored)
  }

  /** Resolves to the value of the header `Cookie`. Waits for the cookies of earlier responses. */
  async header(url: URL): Promise<string | undefined> {
    await this.#stored
    const cookies = this.#origins.get(url.origin) ?? new Map<string, Kept>()
    const pairs: string[] = []
    for (const [key, { name, value, path, end }] of cookies) {
      if (end <= this.#now()) cookies.delete(key)
      else if (isWithin(url.pathname, path)) pairs.push(name === '' ? value : `${name}=${value}`)
    }
    return pairs.length === 0 ? undefined : pairs.join('; ')
  }

  async #store(url: URL, lines: string[], before: Promise<void>): Promise<void> {
    const { default: parser } = await import('undici/lib/web/cookies/parse.js')
    await before
    const cookies = this.#origins.get(url.origin) ?? new Map<string, Kept>()
    this.#origins.set(url.origin, cookies)
    for (const line of lines) {
      const cookie = parser.parseSetCookie(line)
      if (cookie === null) continue
      const { name, value, secure = false, domain, path = defaultPath(url) } = cookie
      if (secure && url.protocol !== 'https:') continue
      if (domain !== undefined && !`.${url.hostname}`.endsWith(`.${domain}`)) continue
      if (/^__(secure|host)-/i.test(name) && !secure) continue
      if (/^__host-/i.test(name) && (path !== '/' || domain !== undefined)) continue
      const end = endOf(cookie, line, this.#now())
      const key = `${path};${name}`
      cookies.delete(key) // a new cookie counts as the newest
      if (end > this.#now()) cookies.set(key, { name, value, path, end })
      const [oldest] = cookies.keys()
      if (cookies.size > maxCookies) cookies.delete(oldest as string)
    }
  }
}

/** Returns the end of a cookie, in ms since 1970. */
function endOf({ maxAge, expires }: Cookie, line: string, now: number): number {
  if (maxAge !== undefined) return now + maxAge * 1000
  if (hasNegativeAge.test(line)) return 0
  const end = expires?.getTime() ?? NaN
  return Number.isNaN(end) ? Infinity : end
}

/** The parser ignores a negative age, which means that the cookie has expired. */
const hasNegativeAge = /;[ \t]*max-age[ \t]*=[ \t]*-\d/i

/** The path of a cookie without one: the folder of the request. */
const defaultPath = ({ pathname }: URL): string => pathname.replace(/\/[^/]*$/, '') || '/'

const isWithin = (pathname: string, path: string): boolean =>
  pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`)
