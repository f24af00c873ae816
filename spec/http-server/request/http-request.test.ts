// The headers of a request are those that Node reads, in the same order.

import { createServer, IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { HttpRequest } from '../../../lib/http-server/request/http-request.ts'
import { listenLocally } from '../../helpers.ts'
import { randomFrom } from '../../interop/random-json.ts'

const { get: headersByNode } = Object.getOwnPropertyDescriptor(
  IncomingMessage.prototype,
  'headers'
) as { get: () => object }

/** Returns a function that sends a request and resolves to its headers, read by us and by Node. */
async function reader(t: Test): Promise<(lines: string[]) => Promise<[object, object]>> {
  const server = createServer({ requireHostHeader: false, IncomingMessage: HttpRequest })
  const port = await listenLocally(t, server)
  const socket: Socket = connect(port, '127.0.0.1').resume()
  t.teardown(() => socket.destroy())
  return (lines) =>
    new Promise((resolve) => {
      server.once('request', (request, response) => {
        t.equal(request.headers, request.headers, 'read once')
        resolve([request.headers, headersByNode.call(request)])
        response.end()
      })
      socket.write(`GET / HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`)
    })
}

/** Compares as text, so that the order counts too. */
function same(t: Test, [ours, byNode]: [object, object], name: string): void {
  t.equal(JSON.stringify(ours), JSON.stringify(byNode), name)
  t.equal(Object.getPrototypeOf(ours), Object.getPrototypeOf(byNode))
}

const cases: Record<string, string[]> = {
  none: [],
  usual: ['Host: a', 'Accept: text/event-stream', 'Mcp-Session-Id: 1', 'content-length: 0'],
  'other values': ['Host: b', 'Accept: */*', 'Mcp-Session-Id: 2', 'content-length: 0'],
  'other case': ['host: a', 'accept: text/event-stream', 'mcp-session-id: 1', 'Content-Length: 0'],
  'other order': ['Accept: */*', 'Host: b', 'Mcp-Session-Id: 2', 'content-length: 0'],
  'other names': ['Host: b', 'Accept: */*', 'Mcp-Session-Ie: 2', 'content-length: 0'],
  'empty values': ['Host:', 'Accept:', 'Mcp-Session-Id:', 'content-length: 0'],
  'a repeated name that is joined': ['Host: a', 'Accept: a', 'Accept: b', 'X: 1'],
  'a repeated name whose first value counts': ['Host: a', 'Authorization: a', 'authorization: b'],
  'a repeated host': ['Host: a', 'host: b', 'Accept: a'],
  cookies: ['Cookie: a', 'Cookie: b', 'cookie: c'],
  'a cookie to set': ['Set-Cookie: a=b', 'Host: a'],
  'cookies to set': ['Set-Cookie: a=b', 'Set-Cookie: c=d', 'Host: a'],
  prototype: ['__proto__: a', 'Host: a'],
  constructor: ['constructor: a', 'toString: b', 'Host: a'],
  numbers: ['2: a', '1: b', 'Host: a'],
  'bytes that are not ASCII': ['Host: a', 'X-A: \xe4\xf6', 'X-B: \xff'],
  'white space': ['Host:   a  ', 'X-A: \t b \t'],
  many: Array.from({ length: 33 }, (_, n) => `X-${n}: ${n}`),
  'very many': Array.from({ length: 900 }, (_, n) => `${n}: ${n}`)
}

t.test('headers are read as Node reads them, the first time and later', async (t) => {
  const read = await reader(t)
  for (const round of ['the first time', 'later', 'much later']) {
    for (const [name, lines] of Object.entries(cases)) {
      same(t, await read(lines), `${name}, ${round}`)
      same(t, await read(lines), `${name}, ${round}, again`)
    }
  }
})

t.test('random headers are read as Node reads them', async (t) => {
  const read = await reader(t)
  const random = randomFrom(Number(process.env.SEED ?? 1))
  const names = ['Host', 'host', 'Accept', 'ACCEPT', 'Cookie', 'X-A', 'x-a', '7', 'Set-Cookie']
  const pick = (): string => names[Math.floor(random() * names.length)] as string
  for (let n = 0; n < 2000; n++) {
    const lines = Array.from({ length: Math.floor(random() * 4) }, () => `${pick()}: ${n}`)
    same(t, await read(lines), lines.join())
  }
})

t.test('one request does not see the headers of another', async (t) => {
  const read = await reader(t)
  const lines = ['Host: a', 'Authorization: secret', 'X-Own: 1']
  const [first] = await read(lines)
  Object.assign(first, { 'x-own': 'changed', 'x-more': 'added' })
  t.strictSame((await read(lines))[0], { host: 'a', authorization: 'secret', 'x-own': '1' })
  t.strictSame((await read(['Host: a', 'Authorization:', 'X-Own:']))[0], {
    host: 'a',
    authorization: '',
    'x-own': ''
  })
})
