// The headers that mirror a message of the modern revision.

import t from 'tap'
import type { Message } from '../../lib/protocol/json-rpc.ts'
import {
  decodeValue,
  encodeValue,
  findMismatch,
  isTool,
  mirroredMembers,
  mirroredParams,
  mirrorHeaders
} from '../../lib/protocol/mirrored-headers.ts'
import type { MirroredParam } from '../../lib/protocol/mirrored-headers.ts'

const tool = (properties: object, more: object = {}): { name: string; inputSchema: object } => ({
  name: 'tool',
  inputSchema: { type: 'object', properties, ...more }
})
const annotated = (type: unknown, name: unknown = 'X'): object => ({ type, 'x-mcp-header': name })

const version = '2026-07-28'
const call = (params: object, method = 'tools/call'): Message => ({
  jsonrpc: '2.0',
  id: 1,
  method,
  params: { ...params, _meta: { 'io.modelcontextprotocol/protocolVersion': version } }
})
const standard = { 'mcp-protocol-version': version, 'mcp-method': 'tools/call', 'mcp-name': 'tool' }

t.test('annotated parameters are found where properties alone lead to them', async (t) => {
  const found = mirroredParams(
    tool({
      region: annotated('string', 'Region'),
      count: annotated('integer', 'Count-1'),
      dry: annotated('boolean', 'dry.run'),
      plain: { type: 'string' },
      target: { type: 'object', properties: { tenant: annotated('string', 'TENANT') } },
      properties: { type: 'object', properties: { 'x-mcp-header': annotated('string', 'y') } }
    })
  )
  t.strictSame(found, [
    { header: 'mcp-param-region', path: ['region'], type: 'string' },
    { header: 'mcp-param-count-1', path: ['count'], type: 'integer' },
    { header: 'mcp-param-dry.run', path: ['dry'], type: 'boolean' },
    { header: 'mcp-param-tenant', path: ['target', 'tenant'], type: 'string' },
    { header: 'mcp-param-y', path: ['properties', 'x-mcp-header'], type: 'string' }
  ])
})

t.test('a tool without annotations mirrors nothing', async (t) => {
  t.strictSame(mirroredParams(tool({ a: { type: 'string' } })), [])
  t.strictSame(mirroredParams({ name: 'tool' }), [])
  t.strictSame(mirroredParams({ name: 'tool', inputSchema: true }), [])
  t.strictSame(mirroredParams({ name: 'tool', inputSchema: { properties: [] } }), [])
})

t.test(
  'an annotation that breaks a rule makes the definition invalid, and it is said why',
  async (t) => {
    const noName = /no header can have that name/
    const notReachable = /not reachable by properties alone/
    const type = /only strings, integers and booleans/
    const nested = { properties: { deep: annotated('string') } }
    const faults: [object, RegExp][] = [
      [tool({ a: annotated('string', '') }), noName],
      [tool({ a: annotated('string', 'with space') }), noName],
      [tool({ a: annotated('string', 'é') }), noName],
      [tool({ a: annotated('string', 'line\r\nbreak') }), noName],
      [tool({ a: annotated('string', 1) }), noName],
      [tool({ a: annotated('number') }), type],
      [tool({ a: annotated('object') }), type],
      [tool({ a: annotated(['string', 'null']) }), type],
      [tool({ a: annotated(undefined) }), type],
      [tool({ a: annotated('string', 'Same'), b: annotated('string', 'sAME') }), /mcp-param-same/],
      [tool({}, annotated('string')), /the schema itself: is not reachable/],
      [tool({ a: { type: 'array', items: annotated('string') } }), notReachable],
      [tool({ a: { type: 'array', items: nested } }), /a\.deep: is not reachable/],
      [tool({ a: { oneOf: [{ type: 'string' }, annotated('string')] } }), notReachable],
      [tool({}, { anyOf: [nested] }), notReachable],
      [tool({}, { if: nested }), notReachable],
      [tool({}, { $defs: { a: annotated('string') } }), /the schema itself/],
      [tool({ ok: annotated('string', 'A'), a: annotated('number', 'B') }), /^a: only/]
    ]
    for (const [definition, reason] of faults) {
      const found = mirroredParams(definition as { name: string })
      t.match(found, reason, JSON.stringify(definition))
    }
  }
)

t.test('an entry of a tool list is a tool when it is an object with a name', async (t) => {
  t.ok(isTool({ name: 'tool' }))
  for (const entry of [null, undefined, 7, 'tool', [], ['name'], {}, { name: 7 }]) {
    t.notOk(isTool(entry), JSON.stringify(entry))
  }
})

t.test('a schema nested 100,000 levels deep is read, and in time', async (t) => {
  const deep = (open: string, close: string): unknown =>
    JSON.parse(open.repeat(100_000) + '{}' + close.repeat(100_000))
  const schemas = [
    deep('{"properties":{"a":', '}}'),
    deep('{"items":', '}'),
    deep('[', ']'),
    deep('{"properties":{"a":{},"b":', '}}')
  ]
  const started = performance.now()
  for (const inputSchema of schemas) {
    t.ok(Array.isArray(mirroredParams({ name: 'tool', inputSchema })))
  }
  t.ok(performance.now() - started < 5000)
})

t.test('a parameter is mirrored down to a depth of 64', async (t) => {
  const at = (depth: number): object => {
    let schema: object = annotated('string')
    for (let level = 0; level < depth; level++) schema = { properties: { a: schema } }
    return schema
  }
  t.match(mirroredParams({ name: 'tool', inputSchema: at(64) }), [
    { path: Array<string>(64).fill('a') }
  ])
  t.match(mirroredParams({ name: 'tool', inputSchema: at(65) }), /^a parameter at depth 65: /)
})

const params: MirroredParam[] = [
  { header: 'mcp-param-s', path: ['s'], type: 'string' },
  { header: 'mcp-param-i', path: ['deep', 'i'], type: 'integer' },
  { header: 'mcp-param-b', path: ['b'], type: 'boolean' }
]

t.test('a request is mirrored in the headers that its method asks for', async (t) => {
  t.strictSame(mirrorHeaders(call({ name: 'tool' }), []), standard)
  t.strictSame(mirrorHeaders(call({ uri: 'x:é', name: 'n' }, 'resources/read'), []), {
    'mcp-protocol-version': version,
    'mcp-method': 'resources/read',
    'mcp-name': '=?base64?eDrDqQ==?='
  })
  t.match(mirrorHeaders(call({ name: 'p' }, 'prompts/get'), []), { 'mcp-name': 'p' })
  for (const method of ['tools/list', 'constructor', '__proto__']) {
    t.strictSame(mirrorHeaders(call({ name: 'n', uri: 'u' }, method), []), {
      'mcp-protocol-version': version,
      'mcp-method': method
    })
  }
})

t.test('what a message does not say is mirrored nowhere', async (t) => {
  t.strictSame(mirrorHeaders({ jsonrpc: '2.0', method: 'x' }, []), { 'mcp-method': 'x' })
  t.strictSame(mirrorHeaders({ jsonrpc: '2.0', id: 1, result: {} }, []), {})
  const odd = { name: 5, _meta: { 'io.modelcontextprotocol/protocolVersion': 1 } }
  t.strictSame(mirrorHeaders({ jsonrpc: '2.0', method: 'tools/call', params: odd }, []), {
    'mcp-method': 'tools/call'
  })
  t.strictSame(mirrorHeaders({ jsonrpc: '2.0', method: 'x', params: { _meta: [] } }, []), {
    'mcp-method': 'x'
  })
})

t.test('arguments are mirrored as their text; what is absent or null is not', async (t) => {
  const mirror = (args: unknown): object => {
    const headers = mirrorHeaders(call({ name: 'tool', arguments: args }), params)
    return Object.fromEntries(Object.entries(headers).filter(([name]) => name.includes('param')))
  }
  t.strictSame(mirror({ s: ' é', deep: { i: -7 }, b: false }), {
    'mcp-param-s': '=?base64?IMOp?=',
    'mcp-param-i': '-7',
    'mcp-param-b': 'false'
  })
  t.strictSame(mirror({ s: '', deep: { i: 42.0 } }), { 'mcp-param-s': '', 'mcp-param-i': '42' })
  t.strictSame(mirror({ s: null, deep: null, b: ['x'] }), {})
  t.strictSame(mirror({ s: {}, deep: [1] }), {})
  t.strictSame(mirror(undefined), {})
  const inherited: MirroredParam[] = [
    { header: 'mcp-param-c', path: ['constructor', 'name'], type: 'string' }
  ]
  t.notMatch(mirrorHeaders(call({ arguments: {} }), inherited), { 'mcp-param-c': /./ })
})

t.test('values are encoded when a header could not carry them as they are', async (t) => {
  const encoded = {
    'us-west1': 'us-west1',
    'a b\tc': 'a b\tc',
    '': '',
    'Hello, 世界': '=?base64?SGVsbG8sIOS4lueVjA==?=',
    ' padded ': '=?base64?IHBhZGRlZCA=?=',
    'line1\nline2': '=?base64?bGluZTEKbGluZTI=?=',
    '=?base64?literal?=': '=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=',
    '=?base64?': '=?base64?',
    '\tx': '=?base64?CXg=?=',
    '\u007f': '=?base64?fw==?='
  }
  for (const [value, text] of Object.entries(encoded)) {
    t.equal(encodeValue(value), text)
    t.equal(decodeValue(text), value)
  }
  t.equal(decodeValue('=?base64??='), '')
})

t.test(
  'what only resembles an encoded value, or is no header at all, is not decoded',
  async (t) => {
    const wrong = [
      '=?base64?SGVsbG8?=', // no padding
      '=?base64?SGVs bG8=?=',
      '=?base64?SGVsbG8-?=',
      '=?base64?SGVsbG9=?=', // bits beyond the end
      '=?base64?/w==?=', // no UTF-8
      'é',
      'a\u007f',
      '\u00a0x'
    ]
    for (const text of wrong) t.equal(decodeValue(text), undefined, text)
    t.equal(
      decodeValue('=?BASE64?SGVsbG8=?='),
      '=?BASE64?SGVsbG8=?=',
      'the markers are as they are'
    )
  }
)

t.test('headers that say what the body says are right', async (t) => {
  const message = call({ name: 'tool', arguments: { s: 'é', deep: { i: 42 }, b: true } })
  const own = mirrorHeaders(message, params)
  t.equal(findMismatch(own, message, params), undefined)
  for (const text of ['42', '42.0', '4.2e1', '=?base64?NDIuMA==?=']) {
    t.equal(findMismatch({ ...own, 'mcp-param-i': text }, message, params), undefined)
  }
  t.equal(findMismatch({ ...own, 'mcp-param-other': 'x' }, message, params), undefined)
  t.equal(
    findMismatch({ ...standard, 'mcp-name': '=?base64?dG9vbA==?=' }, call({ name: 'tool' }), []),
    undefined
  )
  const list = { 'mcp-protocol-version': version, 'mcp-method': 'tools/list' }
  t.equal(
    findMismatch({ ...list, 'mcp-name': 'of nothing' }, call({}, 'tools/list'), []),
    undefined
  )
  const odd = call({ name: 'tool', arguments: { deep: { i: 'no number' } } })
  t.equal(findMismatch({ ...standard, 'mcp-param-i': 'no number' }, odd, params), undefined)
  t.equal(
    findMismatch(standard, call({ name: 'tool', arguments: { s: null, deep: 1 } }), params),
    undefined
  )
})

t.test('headers that are missing or say something else are refused', async (t) => {
  const message = call({ name: 'tool', arguments: { s: 'x', deep: { i: 0 }, b: true } })
  const own = mirrorHeaders(message, params)
  const faults: Record<string, string | string[] | undefined>[] = [
    ...Object.keys(own).map((name) => ({ [name]: undefined })),
    { 'mcp-protocol-version': '2025-11-25' },
    { 'mcp-protocol-version': '=?base64?MjAyNi0wNy0yOA==?=' },
    { 'mcp-method': 'Tools/call' },
    { 'mcp-method': 'tools/list' },
    { 'mcp-method': ['tools/call'] },
    { 'mcp-name': 'Tool' },
    { 'mcp-name': '=?base64?dG9vbA?=' },
    { 'mcp-param-s': 'X' },
    { 'mcp-param-s': 'x, x' },
    { 'mcp-param-s': '=?base64?eA?=' },
    { 'mcp-param-s': '' },
    { 'mcp-param-i': '' },
    { 'mcp-param-i': '1' },
    { 'mcp-param-i': 'zero' },
    { 'mcp-param-i': '=?base64?MA?=' },
    { 'mcp-param-b': 'True' },
    { 'mcp-param-b': '1' }
  ]
  for (const fault of faults) {
    const headers = { ...own, ...fault } as Record<string, string>
    t.match(findMismatch(headers, message, params), /the header/, JSON.stringify(fault))
  }
  // What lies between could act on what the server does not see.
  for (const args of [{}, { s: null }, { s: {} }]) {
    const headers = { ...standard, 'mcp-param-s': 'x' }
    const nothing = call({ name: 'tool', arguments: args })
    t.match(findMismatch(headers, nothing, params), /the header/)
  }
  t.match(findMismatch(standard, { jsonrpc: '2.0', method: 'tools/call' }, []), /the header/)
})

t.test('the members that the headers repeat are named with their paths', async (t) => {
  const params = [['a', 'b'], ['a'], ['a', 'c'], ['d'], ['d', 'e']].map((path) => ({
    header: `mcp-param-${path.join('-')}`,
    type: 'string' as const,
    path
  }))
  const { arguments: shape } = mirroredMembers(params).params as Record<string, unknown>
  t.strictSame(JSON.parse(JSON.stringify(shape)), { a: { b: true, c: true }, d: { e: true } })
})
