// Makes HTTP requests of hostile clients, and HTTP responses of hostile servers, as they are on the wire.

import { gzipSync } from 'node:zlib'
import { bodyOf, headersOf } from '../../modern.ts'
import type { Random } from '../../interop/random-json.ts'
import { below, chance, mutate, pick, size } from './bytes.ts'
import { challenge, tokenFile } from './words.ts'
import { randomId, randomMessage } from './messages.ts'

/** A request has this text where the id of a session of its own client belongs. */
export const sessionMark = 'SESSION-OF-THE-CLIENT'
/** The same for its token, and for the sessions of others, over Streamable HTTP and over HTTP+SSE. */
export const tokenMark = 'TOKEN-OF-THE-CLIENT'
export const victimMark = 'SESSION-OF-THE-VICTIM'
export const sseVictimMark = 'SSE-OF-THE-VICTIM'

const paths = [
  ...[
    '/mcp',
    '/mcp',
    '/mcp',
    '/mcp/',
    '/sse',
    '/messages/?session_id=' + sessionMark,
    '/messages/?session_id=' + sseVictimMark,
    `/servers/a/messages/?session_id=${sseVictimMark}`,
    '/status',
    '/healthz'
  ],
  ...[
    '/readyz',
    '/',
    '*',
    '//',
    '/mcp?x=%',
    '/servers/a/mcp',
    '/%2e%2e/mcp',
    'http://a/mcp',
    '/mcp#a'
  ]
]

const headers = [
  ...[
    'Accept: application/json, text/event-stream',
    'Accept: text/event-stream',
    'Accept: */*',
    'Accept: ,'
  ],
  ...[
    'Content-Type: application/json',
    'Content-Type: application/json; charset=utf-16',
    'Content-Type: text/plain'
  ],
  ...[
    `Mcp-Session-Id: ${sessionMark}`,
    `Mcp-Session-Id: ${victimMark}`,
    'Mcp-Session-Id: x',
    'Mcp-Session-Id: '
  ],
  ...[
    'MCP-Protocol-Version: 2025-11-25',
    'MCP-Protocol-Version: 2026-07-28',
    'MCP-Protocol-Version: 1',
    'Mcp-Method: ping'
  ],
  ...[
    'Mcp-Name: =?base64?YQ==?=',
    'Last-Event-ID: 1',
    'Last-Event-ID: 0-0',
    'Last-Event-ID: \u00e9',
    'Last-Event-ID: 1_9007199254740993'
  ],
  ...[
    'Origin: http://evil.example',
    'Origin: null',
    'Origin: http://127.0.0.1',
    'Authorization: Bearer x'
  ],
  ...[
    'Expect: 100-continue',
    'Expect: x',
    'Upgrade: websocket',
    'Connection: upgrade',
    'Connection: close',
    'Content-Encoding: gzip'
  ],
  ...[
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: gzip, chunked',
    'Content-Length: 5',
    'Content-Length: 99999999999',
    'X: y'
  ]
]

const initialize = JSON.stringify({
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'a', version: '1' }
  }
})

function requestBody(random: Random): Buffer {
  const kind = random()
  if (kind < 0.1) return Buffer.from(initialize)
  if (kind < 0.2)
    return Buffer.from(
      bodyOf(randomId(random), pick(random, ['tools/list', 'server/discover', 'tools/call']))
    )
  const message = (): string => randomMessage(random, 'client')
  const bytes = Buffer.from(kind < 0.3 ? `[${message()},${message()}]` : message())
  return chance(random, 0.2) ? mutate(random, bytes, 3) : bytes
}

function oneRequest(random: Random): Buffer {
  const method = pick(random, [
    'POST',
    'POST',
    'POST',
    'POST',
    'GET',
    'GET',
    'DELETE',
    'OPTIONS',
    'PUT',
    'HEAD',
    'TRACE',
    'x'
  ])
  const body = method === 'POST' || chance(random, 0.1) ? requestBody(random) : Buffer.alloc(0)
  const lines = [
    `${method} ${pick(random, paths)} HTTP/1.${chance(random, 0.97) ? 1 : 0}`,
    `Host: ${pick(random, ['127.0.0.1', '127.0.0.1', '127.0.0.1', 'localhost:1', 'evil.example', '', '[::1]'])}`
  ]
  if (chance(random, 0.8)) {
    lines.push('Content-Type: application/json', 'Accept: application/json, text/event-stream')
    const kind = below(random, 4)
    if (kind < 2) lines.push(`Mcp-Session-Id: ${chance(random, 0.8) ? sessionMark : victimMark}`)
    if (kind === 2) {
      for (const [name, value] of Object.entries(headersOf('tools/list')))
        lines.push(`${name}: ${value}`)
    }
  }
  while (chance(random, 0.4)) lines.push(pick(random, headers))
  const token = random()
  if (token < 0.6) lines.push(`Authorization: Bearer ${tokenMark}`)
  else if (token < 0.7)
    lines.push(`Authorization: ${tokenFile(random).toString('latin1').split('\n')[0]}`)
  const isChunked = chance(random, 0.1)
  if (isChunked) lines.push('Transfer-Encoding: chunked')
  else if (body.length > 0 || chance(random, 0.1)) lines.push(`Content-Length: ${body.length}`)
  const content = isChunked
    ? [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]
    : [body]
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), ...content])
}

/** The bytes of one connection: some requests, mostly well formed. */
export function requests(random: Random): Buffer {
  const bytes = Buffer.concat(Array.from({ length: size(random, 3) }, () => oneRequest(random)))
  return chance(random, 0.3) ? mutate(random, bytes, 3) : bytes
}

/** Between two responses. Each connection of the client gets the next one. */
export const nextResponse = Buffer.from('\n%%%\n')

const result =
  '{"jsonrpc":"2.0","id":"init","result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}'

const statuses = [
  '200 OK',
  '200 OK',
  '200 OK',
  '202 Accepted',
  '204 No',
  '301 M',
  '307 R',
  '400 B',
  '401 U',
  '404 N',
  '405 M',
  '429 T',
  '500 E',
  '999 x',
  '100 C',
  '20 x'
]
const types = [
  'application/json',
  'text/event-stream',
  'text/html',
  'application/json;charset=latin1',
  ''
]

function content(random: Random, type: string): Buffer {
  const text = chance(random, 0.4)
    ? result
    : randomMessage(random, 'server').replace(/"id":(1|"a")(?=[,}])/, '"id":"init"')
  if (type !== 'text/event-stream') return Buffer.from(text)
  const id = chance(random, 0.5) ? `id: ${pick(random, ['1', '', '\0', 'é', 'a b'])}\n` : ''
  const retry = chance(random, 0.2)
    ? `retry: ${pick(random, ['0', '1', '99999999999', '-1', 'x'])}\n`
    : ''
  const name = chance(random, 0.2) ? `event: ${pick(random, ['endpoint', 'x', 'message'])}\n` : ''
  const data = name.includes('endpoint')
    ? pick(random, ['/messages', 'http://evil.example/', '//', '', 'javascript:1'])
    : text
  return Buffer.from(
    `${id}${retry}${name}data: ${data}${pick(random, ['\n\n', '\r\r', '\r\n\r\n', '\n'])}`
  )
}

function oneResponse(random: Random): Buffer {
  const type = pick(random, types.slice(0, chance(random, 0.8) ? 2 : 5))
  let body: Buffer = Buffer.concat(
    Array.from({ length: size(random, 3) }, () => content(random, type))
  )
  if (chance(random, 0.2)) body = mutate(random, body, 3)
  const lines = [`HTTP/1.1 ${pick(random, statuses)}`, `Content-Type: ${type}`]
  if (chance(random, 0.5))
    lines.push(`Mcp-Session-Id: ${pick(random, ['s', 'é', 'a b', '', 'x'.repeat(3000)])}`)
  if (chance(random, 0.15))
    lines.push(`WWW-Authenticate: ${challenge(random).toString('latin1').slice(0, 5000)}`)
  if (chance(random, 0.1))
    lines.push(`Location: ${pick(random, ['/mcp', 'http://evil.example/', '//', 'x:', '\\'])}`)
  if (chance(random, 0.05)) lines.push(`Retry-After: ${pick(random, ['1', '-1', 'x', '99999999'])}`)
  if (chance(random, 0.1)) {
    lines.push(`Content-Encoding: ${pick(random, ['gzip', 'br', 'deflate', 'x', 'gzip, gzip'])}`)
    if (chance(random, 0.7)) body = gzipSync(body)
  }
  if (chance(random, 0.5))
    lines.push(
      `Content-Length: ${chance(random, 0.9) ? body.length : pick(random, ['0', '5', '99999', '-1', 'x'])}`
    )
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body])
}

/** The kind of client, and the responses that it gets, one after another. */
export function responses(random: Random): Buffer {
  const kind = pick(random, ['http', 'http', 'sse', 'url'])
  const parts = Array.from({ length: size(random, 5) }, () => [
    nextResponse,
    oneResponse(random)
  ]).flat()
  const bytes = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(kind), chance(random, 0.2) ? mutate(random, bytes, 3) : bytes])
}
