// An HTTP request. Node makes one for each request, as an object of this class, which reads the headers
// in a cheaper way.
//
// Node compares each name with all names that it knows, and adds it to an object. This takes a tenth of
// the time of a small request. But most requests have the names of an earlier request in the same order.
// So the class keeps the names of a few requests, and copies an object that has them already for the next
// request with the same names. Node itself reads all other requests, so Node decides what a name means
// that is repeated.

import { IncomingMessage } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'

export class HttpRequest extends IncomingMessage {
  #headers: IncomingHttpHeaders | undefined

  // In Node's types `headers` is a property, and TypeScript lets no accessor override a property.
  static {
    Object.defineProperty(this.prototype, 'headers', {
      configurable: true,
      get(this: HttpRequest): IncomingHttpHeaders {
        return (this.#headers ??= readHeaders(this))
      }
    })
  }
}

/** The names of the headers in a request. No name is repeated. */
class Names {
  /** The names as the client writes them. */
  readonly #raw: string[] = []
  /** The same names in lower case. */
  readonly #lower: string[] = []
  /** The headers with these names. Their values are empty, because a value can be a secret. */
  readonly #headers: Record<string, string> = {}

  constructor(rawHeaders: string[]) {
    for (let at = 0; at < rawHeaders.length; at += 2) {
      const raw = rawHeaders[at] as string
      const lower = raw.toLowerCase()
      this.#raw.push(raw)
      this.#lower.push(lower)
      this.#headers[lower] = ''
    }
  }

  /** Returns the headers of a request. Returns undefined if the request has other names. */
  read(rawHeaders: string[]): IncomingHttpHeaders | undefined {
    const raw = this.#raw
    const count = raw.length
    if (rawHeaders.length !== 2 * count) return undefined
    for (let index = 0; index < count; index++) {
      if (rawHeaders[2 * index] !== raw[index]) return undefined
    }
    const lower = this.#lower
    const headers = { ...this.#headers }
    for (let index = 0; index < count; index++) {
      headers[lower[index] as string] = rawHeaders[2 * index + 1] as string
    }
    return headers
  }
}

/** How many headers a request may have whose names are kept. */
const maxCount = 32
/** Of how many requests the names are kept. */
const maxKnown = 8

const known: Names[] = []
/** The index in `known` of the names that the next ones replace. */
let oldest = 0

function readHeaders(request: IncomingMessage): IncomingHttpHeaders {
  const { rawHeaders } = request
  for (const names of known) {
    const headers = names.read(rawHeaders)
    if (headers !== undefined) return headers
  }
  const headers = headersByNode.call(request)
  const count = Object.keys(headers).length
  // If a name is repeated, Node's object has fewer members. Node makes an array of `set-cookie`.
  if (count <= maxCount && 2 * count === rawHeaders.length && !('set-cookie' in headers)) {
    known[oldest] = new Names(rawHeaders)
    oldest = (oldest + 1) % maxKnown
  }
  return headers
}

const headersByNode = Object.getOwnPropertyDescriptor(IncomingMessage.prototype, 'headers')
  ?.get as () => IncomingHttpHeaders
