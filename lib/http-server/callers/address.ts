// IP addresses as text. Each address has one form here, so texts can be compared: IPv6 is short and in
// lower case, and an IPv4-mapped address (`::ffff:192.0.2.1`) is the IPv4 address.

// The command line reads ranges too, but seldom. So `net` loads when an address is read.
const net = (): typeof import('node:net') => process.getBuiltinModule('node:net')

const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** Returns the form of an address. Returns `undefined` for other texts, and for a zone (`fe80::1%eth0`). */
export function normalAddress(text: string): string | undefined {
  const { isIPv4, isIPv6 } = net()
  if (isIPv4(text)) return text
  if (!isIPv6(text) || text.includes('%')) return undefined
  const short = new URL(`http://[${text}]`).hostname.slice(1, -1)
  const [, high, low] = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(short) ?? []
  if (high === undefined || low === undefined) return short
  return [...bytesOf(high), ...bytesOf(low)].join('.')
}

const bytesOf = (group: string): number[] => {
  const number = parseInt(group, 16)
  return [number >> 8, number & 0xff]
}

/** Returns the form of an address that a socket gives. This is fast for IPv4. */
export function peerAddress(text: string | undefined): string {
  if (text === undefined) return '' // the connection has closed
  if (!text.includes(':')) return text
  const [plain = ''] = text.split('%')
  return mapped.exec(plain)?.[1] ?? normalAddress(plain) ?? ''
}

/**
 * Returns what stands for a caller: the IPv4 address, or the first 64 bits of the IPv6 address. A provider
 * gives these 64 bits to one customer, so all addresses with the same 64 bits are one caller.
 */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail = ''] = address.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0')
  return [...before, ...zeros, ...after].slice(0, 4).join(':')
}

/** A range of addresses, for a `BlockList`. */
export interface Range {
  address: string
  prefix: number
  family: 'ipv4' | 'ipv6'
}

/** Reads an address, or a range as `10.0.0.0/8`. Returns `undefined` for other texts. */
export function parseRange(text: string): Range | undefined {
  const [, own = '', digits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const address = normalAddress(own)
  if (address === undefined) return undefined
  const family = net().isIPv4(address) ? 'ipv4' : 'ipv6'
  const bits = family === 'ipv4' ? 32 : 128
  const given = digits === undefined ? bits : Number(digits)
  // An IPv4-mapped range counts its prefix from the start of the IPv6 address.
  const isMapped = family === 'ipv4' && own.includes(':') && digits !== undefined
  const prefix = isMapped ? given - 96 : given
  return prefix >= 0 && prefix <= bits ? { address, prefix, family } : undefined
}
