// Tells private addresses from public ones: loopback, link-local, private networks, shared address
// space, and what is reserved.

import { BlockList, isIP } from 'node:net'

const blocked = new BlockList()
const ranges: [address: string, prefix: number, family: 'ipv4' | 'ipv6'][] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['::', 128, 'ipv6'],
  ['::1', 128, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6']
]
for (const range of ranges) blocked.addSubnet(...range)

/** Whether a host is a private address, or a name that always means one. */
export function isPrivate(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
  const family = isIP(address)
  if (family === 0) return /(^|\.)localhost$/i.test(address)
  return blocked.check(address, family === 6 ? 'ipv6' : 'ipv4')
}
