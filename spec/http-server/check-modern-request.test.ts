// The rules of the modern revision for an HTTP request.

import t from 'tap'
import {
  checkModern as check,
  isModern,
  modernStatus,
  namesModern
} from '../../lib/http-server/check-modern-request.ts'
import { ProxyError } from '../../lib/errors.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { errorFrame } from '../../lib/message/refusal.ts'
import type { MirroredParam } from '../../lib/protocol/mirrored-headers.ts'
import { bodyOf, headersOf, meta } from '../modern.ts'
import type { Params } from '../modern.ts'

const frameOf = (method: string, params?: Params): Frame =>
  parseFrame(Buffer.from(bodyOf('1', method, params)))
const bodyWith = (...frames: Frame[]) => ({ frames, batch: false })
const none = (): Promise<MirroredParam[]> => Promise.resolve([])
const checkModern = async (...request: Parameters<typeof check>): Promise<void> => check(...request)
const legacy = { 'mcp-protocol-version': '2025-11-25' }
const modern = { 'mcp-protocol-version': '2026-07-28' }
const unknown = { 'mcp-protocol-version': '2031-01-01' }

t.test('headers name a modern revision if their version is not a legacy one', async (t) => {
  t.ok(namesModern(modern))
  t.ok(namesModern(unknown))
  t.notOk(namesModern(legacy))
  t.notOk(namesModern({}))
})

t.test(
  'the version in the body decides about the era, or else the one in the headers',
  async (t) => {
    const plain = makeFrame({ jsonrpc: '2.0', id: 1, method: 'tools/list' })
    const notification = makeFrame({ jsonrpc: '2.0', method: 'notifications/cancelled' })
    const old = frameOf('tools/list', {
      _meta: { 'io.modelcontextprotocol/protocolVersion': '2025-11-25' }
    })
    for (const headers of [{}, legacy, modern]) {
      t.ok(isModern(headers, bodyWith(frameOf('tools/list'))))
      t.notOk(isModern(headers, bodyWith(old)))
    }
    for (const frame of [plain, notification]) {
      t.ok(isModern(modern, bodyWith(frame)))
      t.ok(isModern(unknown, bodyWith(frame)))
      t.notOk(isModern(legacy, bodyWith(frame)))
      t.notOk(isModern({}, bodyWith(frame)))
    }
  }
)

t.test('a response, a batch and an empty body are not modern', async (t) => {
  const response = makeFrame({ jsonrpc: '2.0', id: 1, result: {} })
  t.notOk(isModern(modern, bodyWith(response)))
  t.notOk(isModern(modern, { frames: [frameOf('tools/list')], batch: true }))
  t.notOk(isModern(modern, bodyWith()))
})

t.test('a request with its _meta and matching headers passes', async (t) => {
  const asked: string[] = []
  const mirroredParams = async (tool: string): Promise<MirroredParam[]> => {
    asked.push(tool)
    return [{ header: 'mcp-param-a', path: ['a'], type: 'string' }]
  }
  const call = { name: 'tool', arguments: { a: 'x' } }
  const headers = { ...headersOf('tools/call', call), 'mcp-param-a': 'x' }
  await checkModern(headers, frameOf('tools/call', call), mirroredParams)
  await checkModern(headersOf('tools/list'), frameOf('tools/list'), mirroredParams)
  const prompt = { name: 'tool' }
  await checkModern(
    headersOf('prompts/get', prompt),
    frameOf('prompts/get', prompt),
    mirroredParams
  )
  const resource = { uri: 'file:///a' }
  const read = frameOf('resources/read', resource)
  await checkModern(headersOf('resources/read', resource), read, mirroredParams)
  const other = headersOf('resources/read', { uri: 'file:///b' })
  await t.rejects(checkModern(other, read, mirroredParams), { code: 'ERR_HEADER_MISMATCH' })
  await checkModern(headersOf('tools/call'), frameOf('tools/call', { name: 5 }), mirroredParams)
  t.strictSame(asked, ['tool'], 'only a call of a tool needs the mirrored parameters')
  await t.rejects(
    checkModern({ ...headers, 'mcp-param-a': 'y' }, frameOf('tools/call', call), mirroredParams),
    { code: 'ERR_HEADER_MISMATCH' }
  )
})

t.test('a request with an incomplete _meta is invalid, whatever its headers', async (t) => {
  const { 'io.modelcontextprotocol/protocolVersion': version, ...rest } = meta
  const capabilities = 'io.modelcontextprotocol/clientCapabilities'
  const faults = [
    undefined,
    {},
    { _meta: null },
    { _meta: 'text' },
    { _meta: rest },
    { _meta: { ...meta, 'io.modelcontextprotocol/protocolVersion': 1 } },
    { _meta: { ...meta, [capabilities]: undefined } },
    { _meta: { ...meta, [capabilities]: null } },
    { _meta: { ...meta, [capabilities]: 'all' } },
    { _meta: { ...meta, [capabilities]: [] } }
  ]
  for (const params of faults) {
    const frame = makeFrame({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/list',
      ...(params && { params })
    })
    const rejection = { code: 'ERR_PARAMS', rpc: -32602, status: 400 }
    await t.rejects(checkModern({}, frame, none), rejection, JSON.stringify(params))
  }
  t.equal(version, '2026-07-28')
})

t.test('the name of a large message counts whole', async (t) => {
  const params = { name: 'x'.repeat(2 * 1024 * 1024) }
  const headers = headersOf('prompts/get', { name: 'x' })
  const rejection = { code: 'ERR_HEADER_MISMATCH' }
  await t.rejects(checkModern(headers, frameOf('prompts/get', params), none), rejection)
})

t.test('initialize is an unknown method', async (t) => {
  const rejection = { code: 'ERR_METHOD_NOT_FOUND', rpc: -32601, status: 404 }
  await t.rejects(checkModern(headersOf('initialize'), frameOf('initialize'), none), rejection)
})

t.test('error responses have the statuses of the revision', async (t) => {
  const statusOf = (code: number): number =>
    modernStatus(makeFrame({ jsonrpc: '2.0', id: 1, error: { code, message: '' } }))
  for (const code of [-32700, -32600, -32602, -32020, -32021, -32022]) t.equal(statusOf(code), 400)
  t.equal(statusOf(-32601), 404)
  for (const code of [-32603, -32000, 1]) t.equal(statusOf(code), 200)
  t.equal(modernStatus(makeFrame({ jsonrpc: '2.0', id: 1, result: {} })), 200)
  const invalid = errorFrame(1, new ProxyError('ERR_FRAME_SYNTAX', 'the message is not JSON'))
  t.equal(modernStatus(invalid), 502, 'the response of the server was not valid')
})
