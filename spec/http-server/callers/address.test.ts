// Addresses as text, their networks, and ranges of addresses.

import t from 'tap'
import {
  networkOf,
  normalAddress,
  parseRange,
  peerAddress
} from '../../../lib/http-server/callers/address.ts'

t.test('an address has one form, whatever its spelling', async (t) => {
  const forms: [text: string, form: string | undefined][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8::0001', '2001:db8::1'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:0201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['::1', '::1'],
    ['fe80::1%eth0', undefined],
    ['192.0.2.256', undefined],
    ['192.0.2.01', undefined],
    ['example.com', undefined],
    ['', undefined]
  ]
  for (const [text, form] of forms) t.equal(normalAddress(text), form, text)
})

t.test('the address of a socket gets the same form', async (t) => {
  t.equal(peerAddress('192.0.2.1'), '192.0.2.1')
  t.equal(peerAddress('::ffff:192.0.2.1'), '192.0.2.1')
  t.equal(peerAddress('2001:DB8::1'), '2001:db8::1')
  t.equal(peerAddress('fe80::1%eth0'), 'fe80::1', 'the zone is of this machine')
  t.equal(peerAddress(undefined), '', 'the connection has closed')
  t.equal(peerAddress('x:y'), '')
})

t.test('the network of an IPv6 address is its first 64 bits', async (t) => {
  const networks: [address: string, network: string][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::3:4:5:6', '2001:db8:0:0'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['1::', '1:0:0:0'],
    ['::1', '0:0:0:0'],
    ['::', '0:0:0:0']
  ]
  for (const [address, network] of networks) t.equal(networkOf(address), network, address)
})

t.test('a range is an address, or an address with the length of its prefix', async (t) => {
  t.strictSame(parseRange('10.0.0.1'), { address: '10.0.0.1', prefix: 32, family: 'ipv4' })
  t.strictSame(parseRange('10.0.0.0/8'), { address: '10.0.0.0', prefix: 8, family: 'ipv4' })
  t.strictSame(parseRange('0.0.0.0/0'), { address: '0.0.0.0', prefix: 0, family: 'ipv4' })
  t.strictSame(parseRange('FD00::/8'), { address: 'fd00::', prefix: 8, family: 'ipv6' })
  t.strictSame(parseRange('::1'), { address: '::1', prefix: 128, family: 'ipv6' })
  t.strictSame(
    parseRange('::ffff:10.0.0.0/104'),
    { address: '10.0.0.0', prefix: 8, family: 'ipv4' },
    'an IPv4-mapped range is a range of IPv4'
  )
  t.strictSame(parseRange('::ffff:10.0.0.1')?.prefix, 32)
  const wrong = ['', '10.0.0.0/33', 'fd00::/129', '::ffff:10.0.0.0/95', '10.0.0.0/', '10/8', 'a/8']
  for (const text of [...wrong, '10.0.0.0/8/8', '10.0.0.0/-1', '/8', '::1%lo/64']) {
    t.equal(parseRange(text), undefined, text)
  }
})
