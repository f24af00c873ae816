import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { test } from 'tap'
import * as compiled from '../../lib/message/compiled.js'
import { checkInitialize, checkInitializeResult, isEnvelope } from '../../lib/message/schemas.ts'
import { isLegacyVersion, latestLegacy, legacyVersions } from '../../lib/protocol/revisions.ts'
import type { LegacyVersion } from '../../lib/protocol/revisions.ts'
import { randomFrom } from '../interop/random-json.ts'

// Every definition, whether it is compiled for the library or not.
const ajv = new Ajv2020({ allowUnionTypes: true })
for (const name of ['jsonrpc', ...legacyVersions]) {
  const text = readFileSync(new URL(`../schema/${name}.json`, import.meta.url), 'utf8')
  ajv.addSchema(JSON.parse(text) as object, name)
}

function isValid(schema: string, definition: string, data: unknown): boolean {
  const validate = ajv.getSchema(`${schema}.json#/$defs/${definition}`)
  if (validate === undefined) throw new Error(`no ${definition} in ${schema}`)
  return validate(data) as boolean
}

/** What a definition takes and what it does not; the revision that brought it, if not the first. */
interface Sample {
  valid?: unknown[]
  invalid?: unknown[]
  since?: LegacyVersion
  until?: LegacyVersion
}

const request = (method: string, params?: unknown) => {
  return { jsonrpc: '2.0', id: 1, method, ...(params !== undefined && { params }) }
}
const notification = (method: string, params?: unknown) => {
  return { jsonrpc: '2.0', method, ...(params !== undefined && { params }) }
}

const clientInfo = { name: 'client', version: '1' }
const opening = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }
const opened = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: clientInfo }

const withParams = (change: object) => request('initialize', { ...opening, ...change })

const envelopes: Record<string, Sample> = {
  RequestId: { valid: ['a', '', 0, -1, 1e15], invalid: [1.5, null, true, {}, []] },
  ProgressToken: { valid: ['a', '', 0], invalid: [0.5, null, false, {}] },
  JSONRPCRequest: {
    valid: [
      { jsonrpc: '2.0', id: 1, method: 'ping' },
      { jsonrpc: '2.0', id: 'a', method: '', params: {} },
      { jsonrpc: '2.0', id: 0, method: 'sum', params: [1, 2] },
      { jsonrpc: '2.0', id: 1, method: 'ping', extra: null },
      { jsonrpc: '2.0', id: 1, method: 'ping', result: {}, error: 'odd' }
    ],
    invalid: [
      { id: 1, method: 'ping' },
      { jsonrpc: '1.0', id: 1, method: 'ping' },
      { jsonrpc: 2, id: 1, method: 'ping' },
      { jsonrpc: '2.0', method: 'ping' },
      { jsonrpc: '2.0', id: null, method: 'ping' },
      { jsonrpc: '2.0', id: 1.5, method: 'ping' },
      { jsonrpc: '2.0', id: 1 },
      { jsonrpc: '2.0', id: 1, method: 7 },
      { jsonrpc: '2.0', id: 1, method: 'ping', params: null },
      { jsonrpc: '2.0', id: 1, method: 'ping', params: 'x' }
    ]
  },
  JSONRPCNotification: {
    valid: [
      { jsonrpc: '2.0', method: 'x' },
      { jsonrpc: '2.0', method: 'x', params: { any: 1 } },
      { jsonrpc: '2.0', method: 'x', params: [] },
      { jsonrpc: '2.0', method: 'x', result: 1 }
    ],
    invalid: [
      { method: 'x' },
      { jsonrpc: '2.0', method: 'x', id: 1 },
      { jsonrpc: '2.0', method: 'x', id: null },
      { jsonrpc: '2.0', method: null },
      { jsonrpc: '2.0', method: 'x', params: 1 }
    ]
  },
  JSONRPCResultResponse: {
    valid: [
      ...[{}, null, false, 0, '', [], 'odd', { _meta: 1 }].map((result) => {
        return { jsonrpc: '2.0', id: 1, result }
      }),
      { jsonrpc: '2.0', id: 'a', result: {}, error: null }
    ],
    invalid: [
      { id: 1, result: {} },
      { jsonrpc: '2.0', id: 1 },
      { jsonrpc: '2.0', result: {} },
      { jsonrpc: '2.0', id: null, result: {} },
      { jsonrpc: '2.0', id: 1, result: {}, method: 'x' }
    ]
  },
  JSONRPCErrorResponse: {
    valid: [
      { jsonrpc: '2.0', id: 1, error: { code: -32601, message: '' } },
      { jsonrpc: '2.0', id: null, error: { code: -32700, message: 'no', data: null } },
      { jsonrpc: '2.0', error: { code: -32700, message: 'no', more: 1 } }
    ],
    invalid: [
      { error: { code: 1, message: 'no' } },
      { jsonrpc: '2.0', id: 1 },
      { jsonrpc: '2.0', id: {}, error: { code: 1, message: 'no' } },
      { jsonrpc: '2.0', id: 1, error: { code: 1.5, message: 'no' } },
      { jsonrpc: '2.0', id: 1, error: { code: '1', message: 'no' } },
      { jsonrpc: '2.0', id: 1, error: { code: 1 } },
      { jsonrpc: '2.0', id: 1, error: { message: 'no' } },
      { jsonrpc: '2.0', id: 1, error: 'no' },
      { jsonrpc: '2.0', id: 1, error: { code: 1, message: 'no' }, method: 'x' }
    ]
  }
}

/** The same definition may have several: what every revision has, then what only some have. */
const messages: [string, Sample][] = [
  [
    'RequestParams',
    {
      valid: [{}, { _meta: {} }, { _meta: { progressToken: 1, other: {} } }, { any: 1 }],
      invalid: [null, [], { _meta: null }, { _meta: { progressToken: 1.5 } }]
    }
  ],
  ['NotificationParams', { valid: [{}, { _meta: { any: 1 } }], invalid: [[], { _meta: [] }] }],
  ['Result', { valid: [{}, { any: 1 }, { _meta: {} }], invalid: [null, [], 1, { _meta: 1 }] }],
  ['EmptyResult', { valid: [{}, { any: 1 }, { _meta: {} }], invalid: [null, 'x', { _meta: 1 }] }],
  [
    'Implementation',
    {
      valid: [clientInfo, { ...clientInfo, more: 1 }],
      invalid: [null, {}, { name: 'a' }, { version: '1' }, { name: 1, version: '1' }]
    }
  ],
  ['Implementation', { since: '2025-06-18', invalid: [{ ...clientInfo, title: 1 }] }],
  ['Implementation', { until: '2025-03-26', valid: [{ ...clientInfo, title: 1 }] }],
  [
    'Implementation',
    {
      since: '2025-11-25',
      valid: [
        { ...clientInfo, icons: [{ src: 'a' }], websiteUrl: 'https://example.com', description: '' }
      ],
      invalid: [
        { ...clientInfo, icons: {} },
        { ...clientInfo, icons: [1] },
        { ...clientInfo, websiteUrl: 1 },
        { ...clientInfo, description: [] }
      ]
    }
  ],
  ['Implementation', { until: '2025-06-18', valid: [{ ...clientInfo, icons: 'any' }] }],
  [
    'Icon',
    {
      since: '2025-11-25',
      valid: [{ src: 'a' }, { src: 'a', mimeType: 'image/png', sizes: ['any'], theme: 'dark' }],
      invalid: [{}, { src: 1 }, { src: 'a', sizes: '48x48' }, { src: 'a', theme: 'blue' }]
    }
  ],
  [
    'ClientCapabilities',
    {
      valid: [
        {},
        { roots: { listChanged: true }, sampling: {}, experimental: { x: { y: 1 } } },
        { unknown: 1 }
      ],
      invalid: [
        null,
        [],
        { roots: true },
        { roots: { listChanged: 'yes' } },
        { sampling: true },
        { experimental: [] },
        { experimental: { x: true } }
      ]
    }
  ],
  ['ClientCapabilities', { until: '2025-03-26', valid: [{ elicitation: true }] }],
  [
    'ClientCapabilities',
    { since: '2025-06-18', valid: [{ elicitation: {} }], invalid: [{ elicitation: true }] }
  ],
  [
    'ClientCapabilities',
    {
      since: '2025-11-25',
      valid: [
        { elicitation: { form: {}, url: {} }, sampling: { tools: {}, context: {} } },
        { tasks: { list: {}, cancel: {}, requests: { sampling: { createMessage: {} } } } }
      ],
      invalid: [
        { elicitation: { form: true } },
        { elicitation: { url: true } },
        { sampling: { tools: true } },
        { sampling: { context: true } },
        { tasks: true },
        { tasks: { list: true } },
        { tasks: { cancel: true } },
        { tasks: { requests: true } },
        { tasks: { requests: { sampling: true } } },
        { tasks: { requests: { sampling: { createMessage: true } } } },
        { tasks: { requests: { elicitation: true } } },
        { tasks: { requests: { elicitation: { create: true } } } }
      ]
    }
  ],
  [
    'ServerCapabilities',
    {
      valid: [
        {},
        {
          tools: { listChanged: true },
          prompts: {},
          resources: { subscribe: true, listChanged: false },
          logging: {},
          experimental: {}
        },
        { unknown: 1 }
      ],
      invalid: [
        null,
        { tools: true },
        { tools: { listChanged: 1 } },
        { prompts: [] },
        { prompts: { listChanged: null } },
        { resources: { subscribe: 'yes' } },
        { resources: { listChanged: 'yes' } },
        { logging: true },
        { experimental: { x: 1 } }
      ]
    }
  ],
  ['ServerCapabilities', { until: '2024-11-05', valid: [{ completions: true }] }],
  [
    'ServerCapabilities',
    { since: '2025-03-26', valid: [{ completions: {} }], invalid: [{ completions: true }] }
  ],
  [
    'ServerCapabilities',
    {
      since: '2025-11-25',
      valid: [{ tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } }],
      invalid: [
        { tasks: true },
        { tasks: { list: 1 } },
        { tasks: { cancel: 1 } },
        { tasks: { requests: [] } },
        { tasks: { requests: { tools: 1 } } },
        { tasks: { requests: { tools: { call: true } } } }
      ]
    }
  ],
  [
    'InitializeRequest',
    {
      valid: [
        withParams({}),
        withParams({ protocolVersion: 'any', _meta: { progressToken: 'a' }, more: 1 })
      ],
      invalid: [
        request('ping', opening),
        request('initialize'),
        request('initialize', []),
        notification('initialize', opening),
        { ...withParams({}), jsonrpc: '1.0' },
        withParams({ protocolVersion: 1 }),
        withParams({ protocolVersion: undefined }),
        withParams({ capabilities: [] }),
        withParams({ capabilities: undefined }),
        withParams({ clientInfo: { name: 'a' } }),
        withParams({ clientInfo: undefined }),
        withParams({ _meta: 'x' })
      ]
    }
  ],
  [
    'InitializeResult',
    {
      valid: [opened, { ...opened, instructions: 'be kind', _meta: {}, more: 1 }],
      invalid: [
        null,
        [],
        {},
        { ...opened, protocolVersion: 1 },
        { ...opened, protocolVersion: undefined },
        { ...opened, capabilities: { tools: true } },
        { ...opened, capabilities: undefined },
        { ...opened, serverInfo: 'me' },
        { ...opened, serverInfo: undefined },
        { ...opened, instructions: 1 },
        { ...opened, _meta: 1 }
      ]
    }
  ],
  [
    'InitializedNotification',
    {
      valid: [
        notification('notifications/initialized'),
        notification('notifications/initialized', { _meta: {} })
      ],
      invalid: [
        request('notifications/initialized'),
        notification('notifications/other'),
        notification('notifications/initialized', []),
        notification('notifications/initialized', { _meta: 1 })
      ]
    }
  ],
  [
    'PingRequest',
    {
      valid: [request('ping'), request('ping', { _meta: { progressToken: 1 } })],
      invalid: [
        notification('ping'),
        request('pong'),
        request('ping', []),
        request('ping', { _meta: { progressToken: {} } })
      ]
    }
  ],
  [
    'CancelledNotification',
    {
      valid: [
        notification('notifications/cancelled', { requestId: 1 }),
        notification('notifications/cancelled', { requestId: 'a', reason: 'late', _meta: {} })
      ],
      invalid: [
        notification('notifications/cancelled'),
        request('notifications/cancelled', { requestId: 1 }),
        notification('notifications/other', { requestId: 1 }),
        notification('notifications/cancelled', { requestId: null }),
        notification('notifications/cancelled', { requestId: 1, reason: 1 })
      ]
    }
  ],
  // A task is cancelled by other means, and its notification names no request.
  [
    'CancelledNotification',
    { since: '2025-11-25', valid: [notification('notifications/cancelled', {})] }
  ],
  [
    'CancelledNotification',
    { until: '2025-06-18', invalid: [notification('notifications/cancelled', {})] }
  ],
  [
    'ProgressNotification',
    {
      valid: [
        notification('notifications/progress', { progressToken: 1, progress: 0.5 }),
        notification('notifications/progress', { progressToken: 'a', progress: 1, total: 2 })
      ],
      invalid: [
        notification('notifications/progress'),
        notification('notifications/other', { progressToken: 1, progress: 1 }),
        notification('notifications/progress', { progress: 1 }),
        notification('notifications/progress', { progressToken: 1 }),
        notification('notifications/progress', { progressToken: 1.5, progress: 1 }),
        notification('notifications/progress', { progressToken: 1, progress: '1' }),
        notification('notifications/progress', { progressToken: 1, progress: 1, total: null })
      ]
    }
  ],
  [
    'ProgressNotification',
    {
      since: '2025-03-26',
      valid: [
        notification('notifications/progress', { progressToken: 1, progress: 1, message: '' })
      ],
      invalid: [
        notification('notifications/progress', { progressToken: 1, progress: 1, message: 1 })
      ]
    }
  ],
  [
    'ProgressNotification',
    {
      until: '2024-11-05',
      valid: [notification('notifications/progress', { progressToken: 1, progress: 1, message: 1 })]
    }
  ],
  [
    'LoggingLevel',
    {
      valid: ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'],
      invalid: ['DEBUG', 'warn', '', 0, null]
    }
  ],
  [
    'SetLevelRequest',
    {
      valid: [request('logging/setLevel', { level: 'info', _meta: {} })],
      invalid: [
        request('logging/setLevel'),
        request('logging/setLevel', {}),
        request('logging/setLevel', { level: 'loud' }),
        request('logging/other', { level: 'info' }),
        notification('logging/setLevel', { level: 'info' })
      ]
    }
  ],
  ...(['Subscribe', 'Unsubscribe'] as const).map((verb): [string, Sample] => {
    const method = `resources/${verb.toLowerCase()}`
    return [
      `${verb}Request`,
      {
        valid: [request(method, { uri: 'file:///a' }), request(method, { uri: 'not checked' })],
        invalid: [
          request(method),
          request(method, {}),
          request(method, { uri: 1 }),
          request('resources/read', { uri: 'a' }),
          notification(method, { uri: 'a' })
        ]
      }
    ]
  })
]

test('envelopes', (t) => {
  for (const [definition, { valid = [], invalid = [] }] of Object.entries(envelopes)) {
    for (const data of valid) {
      t.ok(isValid('jsonrpc', definition, data), `${definition} is ${JSON.stringify(data)}`)
    }
    for (const data of [undefined, ...invalid]) {
      t.notOk(isValid('jsonrpc', definition, data), `${definition} is not ${JSON.stringify(data)}`)
    }
  }
  t.end()
})

test('every kind of message is an envelope, and nothing else is', (t) => {
  for (const [definition, { valid = [] }] of Object.entries(envelopes)) {
    if (!definition.startsWith('JSONRPC')) continue
    for (const data of valid) {
      t.ok(isEnvelope(data), JSON.stringify(data))
      t.ok(isValid('jsonrpc', 'JSONRPCMessage', data))
    }
  }
  const others: unknown[] = [
    undefined,
    null,
    1,
    'x',
    true,
    {},
    [],
    [{ jsonrpc: '2.0', id: 1, method: 'ping' }],
    { jsonrpc: '2.0' },
    { jsonrpc: '2.0', id: 1 },
    { jsonrpc: '2.0', id: null },
    { id: 1, method: 'ping' },
    { jsonrpc: '2.0', id: null, method: 'ping' },
    { jsonrpc: '2.0', id: [], method: 'ping' },
    { jsonrpc: '2.0', id: 1, method: 'ping', params: null },
    { jsonrpc: '2.0', id: 1, method: null, result: {} },
    { jsonrpc: '2.0', id: null, result: {} },
    { jsonrpc: '2.0', result: {} },
    { jsonrpc: '2.0', id: 1, error: {} },
    { jsonrpc: '2.0', id: 1, error: null }
  ]
  for (const data of others) {
    t.notOk(isEnvelope(data), JSON.stringify(data))
    t.notOk(isValid('jsonrpc', 'JSONRPCMessage', data))
  }
  t.end()
})

test('each sample, and whatever becomes of it by chance, is an envelope if it is a message', (t) => {
  const random = randomFrom(2025)
  const pick = <Item>(from: readonly Item[]): Item =>
    from[Math.floor(random() * from.length)] as Item
  const samples = Object.values(envelopes).flatMap(({ valid = [], invalid = [] }) => [
    ...valid,
    ...invalid
  ])
  const values: Record<string, unknown[]> = {
    jsonrpc: ['2.0', '2.0', '2.0', '1.0', 2, null],
    id: [1, 0, -1, 1.5, 1e300, 'a', '', null, true, [], {}],
    method: ['ping', '', null, 1, {}],
    params: [{}, [], null, 'x', { id: 1 }],
    result: [{}, null, 0],
    error: [{ code: 1, message: 'no' }, { code: 1.5, message: 'no' }, { code: 1 }, {}, null],
    ['__proto__']: [{ method: 'x' }, null]
  }
  const keys = Object.keys(values)
  const counts = { yes: 0, no: 0 }
  const check = (data: unknown): void => {
    const expected = isValid('jsonrpc', 'JSONRPCMessage', data)
    if (isEnvelope(data) !== expected) t.fail(`${JSON.stringify(data)}: ${expected}`)
    counts[expected ? 'yes' : 'no']++
  }
  for (const sample of samples) check(sample)
  for (let round = 0; round < 20_000; round++) {
    const sample = pick(samples)
    const members = new Map<string, unknown>(Object.entries(Object(sample) as object))
    for (let count = 0; count < 1 + random() * 3; count++) {
      const key = pick(keys)
      if (random() < 0.4) members.delete(key)
      else members.set(key, pick(values[key] as unknown[]))
    }
    // As it comes: `__proto__` is a member like any other.
    const texts = [...members].map(
      ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`
    )
    check(JSON.parse(`{${texts.join(',')}}`))
  }
  t.ok(counts.yes > 1000 && counts.no > 1000, JSON.stringify(counts))
  t.end()
})

for (const version of legacyVersions) {
  test(`messages of ${version}`, (t) => {
    for (const [definition, { valid = [], invalid = [], since, until }] of messages) {
      if ((since ?? version) > version || (until ?? version) < version) continue
      for (const data of valid) {
        t.ok(isValid(version, definition, data), `${definition} is ${JSON.stringify(data)}`)
      }
      for (const data of [undefined, ...invalid]) {
        const text = JSON.stringify(data)
        t.notOk(isValid(version, definition, data), `${definition} is not ${text}`)
      }
    }
    t.end()
  })
}

test('every definition has its samples', (t) => {
  for (const version of legacyVersions) {
    const text = readFileSync(new URL(`../schema/${version}.json`, import.meta.url), 'utf8')
    const { $defs } = JSON.parse(text) as { $defs: object }
    const sampled = messages.filter(([, { since }]) => (since ?? version) <= version)
    t.strictSame(Object.keys($defs).sort(), [...new Set(sampled.map(([name]) => name))].sort())
  }
  t.end()
})

test('an initialize request is held to the revision it names', (t) => {
  for (const protocolVersion of [...legacyVersions, '2023-01-01', '2099-01-01', '']) {
    t.equal(checkInitialize(withParams({ protocolVersion })), undefined, protocolVersion)
  }
  const odd = { ...clientInfo, icons: 'none' }
  const older = withParams({ protocolVersion: '2025-06-18', clientInfo: odd })
  t.equal(checkInitialize(older), undefined)
  for (const protocolVersion of ['2025-11-25', 'unknown', '__proto__']) {
    const message = withParams({ protocolVersion, clientInfo: odd })
    t.equal(checkInitialize(message), 'params.clientInfo.icons must be array')
  }
  t.end()
})

test('what is wrong with an initialize request is said in one line', (t) => {
  const faults: [unknown, string][] = [
    [undefined, 'message must be object'],
    [request('initialize'), "message must have required property 'params'"],
    [request('initialize', []), 'params must be object'],
    [notification('initialize', opening), "message must have required property 'id'"],
    [withParams({ protocolVersion: 7 }), 'params.protocolVersion must be string'],
    [withParams({ clientInfo: undefined }), "params must have required property 'clientInfo'"],
    [
      withParams({ clientInfo: { name: 'a' } }),
      "params.clientInfo must have required property 'version'"
    ],
    [
      withParams({ clientInfo: { ...clientInfo, icons: [{ src: 'a' }, {}] } }),
      "params.clientInfo.icons[1] must have required property 'src'"
    ],
    [
      withParams({ capabilities: { experimental: { 'a/b~\n"c"': 1 } } }),
      'params.capabilities.experimental["a/b~\\n\\"c\\""] must be object'
    ]
  ]
  for (const [message, fault] of faults) t.equal(checkInitialize(message), fault)
  t.end()
})

test('a response to initialize is held to the revision it settles on', (t) => {
  const response = (change: object) => ({ jsonrpc: '2.0', id: 1, result: { ...opened, ...change } })
  for (const protocolVersion of [...legacyVersions, '2099-01-01']) {
    t.equal(checkInitializeResult(response({ protocolVersion })), undefined, protocolVersion)
  }
  const capabilities = { completions: true }
  t.equal(
    checkInitializeResult(response({ capabilities, protocolVersion: '2024-11-05' })),
    undefined
  )
  const faults: [unknown, string][] = [
    [response({ capabilities }), 'result.capabilities.completions must be object'],
    [
      response({ protocolVersion: undefined }),
      "result must have required property 'protocolVersion'"
    ],
    [response({ protocolVersion: null }), 'result.protocolVersion must be string'],
    [
      response({ serverInfo: { version: '1' } }),
      "result.serverInfo must have required property 'name'"
    ],
    [{ jsonrpc: '2.0', id: 1, result: null }, 'result must be object'],
    [{ jsonrpc: '2.0', id: 1, error: { code: 1, message: 'no' } }, 'result must be object'],
    [null, 'result must be object']
  ]
  for (const [message, fault] of faults) t.equal(checkInitializeResult(message), fault)
  t.end()
})

test('the compiled schemas stand alone', (t) => {
  for (const [name, validate] of Object.entries(compiled)) {
    t.notMatch(String(validate), /\brequire\(|\bimport\b/, name)
  }
  const text = readFileSync(new URL('../../lib/message/compiled.js', import.meta.url), 'utf8')
  t.notMatch(text, /\brequire\("|\bimport["{*\s(]+["{*]/)
  t.end()
})

test('legacy versions', (t) => {
  t.strictSame([...legacyVersions], [...legacyVersions].sort())
  t.equal(latestLegacy, legacyVersions.at(-1))
  for (const version of legacyVersions) t.ok(isLegacyVersion(version))
  for (const version of ['2026-07-28', '2025-11-2', '', '__proto__'])
    t.notOk(isLegacyVersion(version))
  t.end()
})
