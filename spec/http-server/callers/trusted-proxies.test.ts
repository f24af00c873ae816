// X-Forwarded-For, -Proto and -Host count from trusted proxies only. The tests of smuggled headers are
// attacks: each one is a request that tries to choose its own address.

import t from 'tap'
import { TrustedProxies } from '../../../lib/http-server/callers/trusted-proxies.ts'

const proxies = new TrustedProxies(['10.0.0.0/8', '192.0.2.7', 'fd00::/8', '::ffff:172.16.0.0/108'])

const clientOf = (peer: string, list?: string): string =>
  proxies.clientOf(peer, list === undefined ? {} : { 'x-forwarded-for': list })

t.test('an address is in a range, or not', async (t) => {
  const trusted = ['10.0.0.0', '10.255.255.255', '192.0.2.7', 'fd12::1', '172.16.0.1', '172.31.0.1']
  for (const address of trusted) t.ok(proxies.has(address), address)
  for (const address of [
    '9.255.255.255',
    '11.0.0.0',
    '192.0.2.8',
    'fe00::1',
    '172.32.0.1',
    '::1',
    ''
  ]) {
    t.notOk(proxies.has(address), address)
  }
})

t.test('a text that is no range is an error', async (t) => {
  t.throws(() => new TrustedProxies(['10.0.0.0/8', 'proxy.local']), {
    code: 'ERR_CONFIG',
    message: '"proxy.local" is no address, and no range of addresses'
  })
})

t.test('a peer that is no trusted proxy is the client, whatever it sends', async (t) => {
  t.equal(clientOf('203.0.113.9'), '203.0.113.9')
  for (const list of ['1.2.3.4', '10.0.0.1', '1.2.3.4, 10.0.0.1', '::1', ',', 'x'.repeat(10_000)]) {
    t.equal(clientOf('203.0.113.9', list), '203.0.113.9', list.slice(0, 20))
  }
})

t.test('the rightmost address that is no trusted proxy is the client', async (t) => {
  const lists: [list: string, client: string][] = [
    ['203.0.113.9', '203.0.113.9'],
    ['203.0.113.9, 10.0.0.2', '203.0.113.9'],
    ['203.0.113.9,10.0.0.2 ,\t192.0.2.7', '203.0.113.9'],
    ['1.2.3.4, 203.0.113.9', '203.0.113.9'],
    ['10.0.0.9, 203.0.113.9, fd00::2', '203.0.113.9'],
    ['203.0.113.9:4711', '203.0.113.9'],
    ['2001:db8::9', '2001:db8::9'],
    ['[2001:DB8:0::9]', '2001:db8::9'],
    ['[2001:db8::9]:4711', '2001:db8::9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['::ffff:10.0.0.3', '10.0.0.3'],
    ['10.0.0.4, 10.0.0.3', '10.0.0.4']
  ]
  for (const [list, client] of lists) t.equal(clientOf('10.0.0.1', list), client, list)
  t.equal(clientOf('10.0.0.1'), '10.0.0.1', 'a trusted proxy may be a client')
  t.equal(clientOf('10.0.0.1', ''), '10.0.0.1')
})

t.test('what is no address ends the list, and the last known hop is the client', async (t) => {
  const lists: [list: string, client: string][] = [
    ['unknown', '10.0.0.1'],
    ['1.2.3.4, ', '10.0.0.1'],
    ['1.2.3.4,, 10.0.0.2', '10.0.0.2'],
    ['1.2.3.4, _hidden, 10.0.0.2', '10.0.0.2'],
    ['1.2.3.4;10.0.0.2', '10.0.0.1'],
    ['"1.2.3.4"', '10.0.0.1'],
    ['1.2.3.4 10.0.0.2', '10.0.0.1'],
    ['fe80::1%eth0', '10.0.0.1'],
    ['[1.2.3.4', '10.0.0.1'],
    ['1.2.3.4:port', '10.0.0.1'],
    ['1.2.3.4:123456', '10.0.0.1'],
    [`${'0'.repeat(60)}1.2.3.4`, '10.0.0.1'],
    [`[${':'.repeat(10_000)}]`, '10.0.0.1']
  ]
  for (const [list, client] of lists) t.equal(clientOf('10.0.0.1', list), client, list.slice(0, 40))
})

t.test('a list of trusted proxies is not read without end', async (t) => {
  const hops = Array.from({ length: 4000 }, (_, n) => `10.1.${n >> 8}.${n & 255}`)
  const list = ['203.0.113.9', ...hops].join(',')
  const start = performance.now()
  t.equal(clientOf('10.0.0.1', list), hops.at(-32))
  t.ok(performance.now() - start < 100)
  t.equal(clientOf('10.0.0.1', ['203.0.113.9', ...hops.slice(-31)].join(',')), '203.0.113.9')
})

t.test('the origin is that of the nearest trusted proxy', async (t) => {
  const originOf = (peer: string, proto?: string, host?: string): string | undefined =>
    proxies.originOf(peer, {
      ...(proto !== undefined && { 'x-forwarded-proto': proto }),
      ...(host !== undefined && { 'x-forwarded-host': host })
    })
  t.equal(originOf('10.0.0.1', 'https', 'mcp.example.com'), 'https://mcp.example.com')
  t.equal(originOf('10.0.0.1', 'HTTPS', 'MCP.example.com:443'), 'https://mcp.example.com')
  t.equal(originOf('10.0.0.1', 'http', '[FD00::1]:8080'), 'http://[fd00::1]:8080')
  t.equal(
    originOf('10.0.0.1', 'http, https', 'evil.example, mcp.example.com'),
    'https://mcp.example.com'
  )
  t.equal(originOf('203.0.113.9', 'https', 'mcp.example.com'), undefined, 'no trusted proxy')
  const wrong: [proto: string | undefined, host?: string][] = [
    ['https'],
    [undefined, 'mcp.example.com'],
    ['ftp', 'mcp.example.com'],
    ['https', 'a@mcp.example.com'],
    ['https', 'mcp.example.com/x'],
    ['https', 'mcp.example.com?'],
    ['https', 'a b'],
    ['https', ''],
    ['https', 'a:99999'],
    ['https', '[:::]']
  ]
  for (const [proto, host] of wrong) {
    t.equal(originOf('10.0.0.1', proto, host), undefined, `${proto} ${host}`)
  }
  const several = { 'x-forwarded-proto': ['https'], 'x-forwarded-host': ['a'] }
  t.equal(proxies.originOf('10.0.0.1', several as never), undefined, 'a header is one text')
})
