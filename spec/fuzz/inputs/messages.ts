// Makes texts of JSON-RPC messages with hostile values: values of a wrong type in every member that
// the proxy reads, ids of every type and size, names that come twice or in another case, and deep
// nesting.

import { metaKeys } from '../../../lib/protocol/meta-keys.ts'
import { methods } from '../../../lib/protocol/methods.ts'
import { randomObject } from '../../interop/random-json.ts'
import type { Random } from '../../interop/random-json.ts'
import { below, chance, pick, size } from './bytes.ts'

export type Side = 'client' | 'server'

const values = [
  ...['null', 'true', '[]', '{}', '""', '0', '-0', '0.5', '-1', '1e400', '-1e400', '1.0', '1e0'],
  ...[
    '123456789012345678901234567890',
    '{"toString":1}',
    '{"valueOf":1,"toString":1}',
    '{"then":1}'
  ],
  ...['{"__proto__":{"toString":1}}', '"\\ud800"', '"__proto__"', '"constructor"', '"a\\u0000b"'],
  ...[
    '[[[{"toString":1}]]]',
    '{"length":-1}',
    '[null]',
    '{"a":{"b":{"c":[]}}}',
    '"\\r\\n"',
    '"2.0"'
  ]
]

const plainIds = ['1', '2', '3', '"1"', '"a"', '0', '-1', '9007199254740991']
const ids = [
  ...[
    '9007199254740993',
    '1.0',
    '1e0',
    '-0',
    '0.1',
    '1e400',
    '"\\u0031"',
    '"\\ud800"',
    '"__proto__"'
  ],
  ...['null', 'true', '{}', '[]', '""', '{"toString":1}', '18446744073709551616', '"\\u0000"']
]

/** Returns the text of an id. Most ids are small, so that those of several messages are equal. */
export function randomId(random: Random): string {
  if (chance(random, 0.6)) return pick(random, plainIds)
  if (chance(random, 0.85)) return pick(random, ids)
  const length = size(random, 3000)
  return chance(random, 0.5) ? `"${'x'.repeat(length)}"` : `1${'0'.repeat(length)}`
}

const names = [
  ...[
    'jsonrpc',
    'id',
    'method',
    'params',
    'result',
    'error',
    '_meta',
    'progressToken',
    'requestId'
  ],
  ...['uri', 'level', 'name', 'arguments', 'cursor', 'code', 'message', 'tools', 'nextCursor'],
  ...['protocolVersion', 'capabilities', 'clientInfo', 'serverInfo', 'resultType', 'inputRequests'],
  ...[
    'requestState',
    'inputResponses',
    'supportedVersions',
    'notifications',
    'resourceSubscriptions'
  ],
  ...Object.values(metaKeys)
]

/** Writes a name as another parser may also read it: with another case, or with an escape. */
function variant(random: Random, name: string): string {
  const at = below(random, name.length)
  const letter = name[at] ?? ''
  const others = [
    letter.toUpperCase(),
    `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
    letter.replace('s', 'ſ').replace('k', 'K').replace('i', 'ı'),
    `${letter}\\u0000`
  ]
  return name.slice(0, at) + pick(random, others) + name.slice(at + 1)
}

/** Returns arrays and objects inside each other. The depth is from 1 to 100,000. */
export function deep(random: Random): string {
  const depth = size(random, chance(random, 0.05) ? 100_000 : 300)
  const [open, close] = pick(random, [
    ['[', ']'],
    ['{"a":', '}'],
    ['[{"":', '}]'],
    ['{"params":{"_meta":', '}}']
  ] as const)
  return `${open.repeat(depth)}1${close.repeat(depth)}`
}

export function randomValue(random: Random): string {
  const kind = random()
  if (kind < 0.6) return pick(random, values)
  if (kind < 0.75) return randomId(random)
  if (kind < 0.8) return deep(random)
  return randomObject(random, size(random, 300))
}

type Members = [name: string, value: string][]

/** Writes an object, and sometimes adds, repeats, renames or spoils members. */
function write(random: Random, members: Members): string {
  const written = members.map(([name, value]) => `"${name}":${value}`)
  while (chance(random, 0.15)) {
    const name = chance(random, 0.5)
      ? pick(random, names)
      : (members[below(random, members.length)]?.[0] ?? 'id')
    const spelled = chance(random, 0.4) ? variant(random, name) : name
    const text = `"${spelled}":${randomValue(random)}`
    written.splice(below(random, written.length + 1), chance(random, 0.3) ? 1 : 0, text)
  }
  const space = chance(random, 0.8) ? '' : pick(random, [' ', '\t', '  '])
  return `{${space}${written.join(`${space},${space}`)}${space}}`
}

const some = (random: Random, members: Members): Members =>
  members.filter(() => chance(random, 0.7))

/** Mostly the usual value, else a hostile one. */
const or = (random: Random, usual: string): string =>
  chance(random, 0.75) ? usual : randomValue(random)

const levels = ['"debug"', '"info"', '"error"', '"emergency"', '"loud"']
const uris = ['"a:1"', '"a:2"', '"file:///x"']
const versions = [
  '"2024-11-05"',
  '"2025-03-26"',
  '"2025-06-18"',
  '"2025-11-25"',
  '"2026-07-28"',
  '"1"'
]

function meta(random: Random): string {
  return write(
    random,
    some(random, [
      ['progressToken', randomId(random)],
      [metaKeys.protocolVersion, or(random, '"2026-07-28"')],
      [metaKeys.clientInfo, or(random, '{"name":"a","version":"1"}')],
      [
        metaKeys.clientCapabilities,
        or(random, pick(random, ['{}', '{"elicitation":{},"roots":{}}']))
      ],
      [metaKeys.logLevel, or(random, pick(random, levels))],
      [metaKeys.subscriptionId, randomId(random)]
    ])
  )
}

function params(random: Random): string {
  if (chance(random, 0.1)) return randomValue(random)
  return write(
    random,
    some(random, [
      ['_meta', or(random, meta(random))],
      ['name', or(random, '"echo"')],
      ['arguments', or(random, '{}')],
      ['uri', or(random, pick(random, uris))],
      ['level', or(random, pick(random, levels))],
      ['requestId', randomId(random)],
      ['progressToken', randomId(random)],
      ['progress', or(random, '1')],
      ['cursor', or(random, '"c"')],
      ['protocolVersion', or(random, pick(random, versions))],
      ['capabilities', or(random, '{}')],
      ['clientInfo', or(random, '{"name":"a","version":"1"}')],
      ['notifications', or(random, '{"toolsListChanged":true,"resourceSubscriptions":["a:1"]}')],
      ['requestState', or(random, '"s"')],
      ['inputResponses', or(random, '{"a":{"action":"accept"}}')],
      ['data', or(random, '1')]
    ])
  )
}

function result(random: Random): string {
  if (chance(random, 0.2)) return randomValue(random)
  return write(
    random,
    some(random, [
      ['_meta', or(random, meta(random))],
      ['resultType', or(random, pick(random, ['"complete"', '"input_required"', '"task"']))],
      ['protocolVersion', or(random, pick(random, versions))],
      ['supportedVersions', or(random, '["2026-07-28"]')],
      ['capabilities', or(random, '{"tools":{},"resources":{"subscribe":true},"logging":{}}')],
      ['serverInfo', or(random, '{"name":"s","version":"1"}')],
      ['tools', or(random, `[{"name":"echo","inputSchema":${or(random, '{"type":"object"}')}}]`)],
      ['nextCursor', or(random, '"c"')],
      [
        'inputRequests',
        or(random, `{"a":{"method":"elicitation/create","params":${or(random, '{}')}}}`)
      ],
      ['requestState', or(random, '"s"')],
      ['ttlMs', or(random, '0')]
    ])
  )
}

const allMethods = Object.values(methods).map((method) => JSON.stringify(method))

/** Makes the text of a message. It is valid JSON, and mostly a valid message. */
export function randomMessage(random: Random, side: Side): string {
  const version: [string, string] = [
    'jsonrpc',
    chance(random, 0.97) ? '"2.0"' : randomValue(random)
  ]
  const kind = random()
  if (kind < (side === 'client' ? 0.15 : 0.4)) {
    const answer: [string, string] = chance(random, 0.7)
      ? ['result', result(random)]
      : ['error', or(random, `{"code":${or(random, '-32603')},"message":${or(random, '"no"')}}`)]
    return write(random, [version, ['id', randomId(random)], answer])
  }
  const method: [string, string] = ['method', or(random, pick(random, allMethods))]
  const more: Members = chance(random, 0.85) ? [['params', params(random)]] : []
  const isRequest = kind < (side === 'client' ? 0.75 : 0.6)
  return write(random, [
    version,
    ...(isRequest ? [['id', randomId(random)] as [string, string]] : []),
    method,
    ...more
  ])
}
