// The reverse proxies that may say for which client they send a request. The headers `X-Forwarded-For`,
// `-Proto` and `-Host` count only if such a proxy has sent them, because every client can send them too.
//
// Each proxy appends an address to `X-Forwarded-For`: that of the connection from which it got the
// request. So the proxy reads the list from right to left, and an address counts if a trusted proxy has
// appended it. The first address that does not belong to a trusted proxy is that of the client. The
// client can invent all addresses to the left of it.

import { BlockList, isIPv4 } from 'node:net'
import type { IncomingHttpHeaders } from 'node:http'
import { ProxyError } from '../../errors.ts'
import { quote } from '../../text.ts'
import { normalAddress, parseRange } from './address.ts'

/** How many addresses of `X-Forwarded-For` are read. */
const maxHops = 32
/** The longest text of an address that is read, with its port. */
const maxLength = 64

export class TrustedProxies {
  readonly #ranges = new BlockList()

  /**
   * @param ranges addresses, and ranges such as `10.0.0.0/8`
   * @throws ProxyError `ERR_CONFIG` if a text is neither
   */
  constructor(ranges: readonly string[]) {
    for (const text of ranges) {
      const range = parseRange(text)
      if (range === undefined) {
        throw new ProxyError(
          'ERR_CONFIG',
          `${quote(text)} is no address, and no range of addresses`
        )
      }
      this.#ranges.addSubnet(range.address, range.prefix, range.family)
    }
  }

  has(address: string): boolean {
    if (address === '') return false
    return this.#ranges.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
  }

  /** Returns the address of the client. `peer` is the address at the other end of the connection. */
  clientOf(peer: string, headers: IncomingHttpHeaders): string {
    let address = peer
    let rest = textOf(headers['x-forwarded-for'])
    for (let hops = 0; hops < maxHops && rest !== '' && this.has(address); hops++) {
      const comma = rest.lastIndexOf(',')
      const before = readEntry(rest.slice(comma + 1).trim())
      if (before === undefined) return address
      address = before
      rest = comma === -1 ? '' : rest.slice(0, comma)
    }
    return address
  }

  /**
   * Returns the origin under which the client knows this listener, such as `https://mcp.example.com`.
   * Returns `undefined` if no trusted proxy says so, with both `X-Forwarded-Proto` and `X-Forwarded-Host`.
   */
  originOf(peer: string, headers: IncomingHttpHeaders): string | undefined {
    if (!this.has(peer)) return undefined
    const host = lastOf(headers['x-forwarded-host'])
    const proto = lastOf(headers['x-forwarded-proto'])
    if (!/^https?$/.test(proto) || !/^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?$/.test(host))
      return undefined
    const origin = `${proto}://${host}`
    return URL.canParse(origin) ? new URL(origin).origin : undefined
  }
}

const textOf = (header: string | string[] | undefined): string =>
  typeof header === 'string' ? header : ''

/** Each proxy may have added a value at the right end. Only that of the peer is known to be true. */
const lastOf = (header: string | string[] | undefined): string =>
  (textOf(header).split(',').at(-1) as string).trim().toLowerCase()

/** Reads an address of `X-Forwarded-For`, which may have a port: `192.0.2.1:80`, `[2001:db8::1]:80`. */
function readEntry(text: string): string | undefined {
  if (text.length > maxLength) return undefined
  const [, address] = /^([\d.]+):\d{1,5}$/.exec(text) ?? /^\[(.*)\](?::\d{1,5})?$/.exec(text) ?? []
  return normalAddress(address ?? text)
}
