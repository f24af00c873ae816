// Makes texts for the parsers of the command line, the config file, and headers.

import { generatorOf } from '../../reference/generate.ts'
import { randomObject } from '../../interop/random-json.ts'
import type { Random } from '../../interop/random-json.ts'
import { flags } from '../../../lib/cli/flags.ts'
import { chance, mutate, pick, size } from './bytes.ts'
import { deep, randomValue } from './messages.ts'

/** A text that no error may repeat. */
export const secret = 'sEcReT-9c1f'

/** The words of a command line, with U+0000 between them. */
export function commandLine(random: Random): Buffer {
  const words = generatorOf(random, '/dev/null', '/dev/null')()
  while (chance(random, 0.3))
    words.unshift(`--${pick(random, Object.keys(flags))}`, pick(random, odd))
  const bytes = Buffer.from(words.join('\0'))
  return chance(random, 0.4) ? mutate(random, bytes, 3) : bytes
}

const odd = [
  ...[
    '0',
    '-1',
    '1e9',
    '10k',
    '999999999999g',
    '1.5h',
    '5',
    'x',
    '',
    'NaN',
    'Infinity',
    '0x10',
    '1_0'
  ],
  ...[
    'http://[',
    'http://a:b@c/',
    'https://a',
    'ftp://a',
    'http://a\\b',
    '::1',
    '[::1]',
    '*',
    'null'
  ],
  ...['a=b', 'a:b', 'a,b', '/dev/null', '.', 'x'.repeat(5000), '\ud800', 'é', "'", '"', '"a', 'a\\']
]

const members = [
  ...['command', 'args', 'env', 'cwd', 'url', 'serverUrl', 'headers', 'transport', 'type', 'era'],
  ...['translate', 'enabled', 'disabled', 'timeout', 'transportType', 'x']
]

const memberValues: Record<string, string[]> = {
  command: ['"cmd"', '"${env:A}"', '"${input:b}"', '"$A"', '""', '" "'],
  args: ['[]', '["a","${env:SECRET}"]', '[1]', '["${"]', '"a"'],
  env: [
    '{}',
    `{"KEY":"${secret}"}`,
    `{"A=B":"${secret}"}`,
    '{"":"a"}',
    '{"__proto__":"a"}',
    '{"K":"a\\u0000"}'
  ],
  cwd: ['"/"', '"/none"', 'null', '"${userHome}"'],
  url: [
    '"http://a/"',
    '"http://u:' + secret + '@a/"',
    '"a"',
    '"http://["',
    '"${env:URL}"',
    '"file:///a"'
  ],
  headers: [
    '{}',
    `{"X-Key":"${secret}"}`,
    `{"${secret}":"a"}`,
    `{"A B":"${secret}"}`,
    `{"A":"${secret}\\r\\nB: c"}`
  ],
  transport: ['"sse"', '"auto"', '"http"', '"ws"'],
  type: ['"stdio"', '"http"', '"sse"', '"ws"'],
  era: ['"auto"', '"modern"', '"x"'],
  translate: ['"auto"', '"off"', '"x"'],
  enabled: ['true', 'false', '0', '1', 'null', '""', '"a"']
}

const names = [
  'a',
  'b',
  'a/b',
  '..',
  '.',
  '',
  '__proto__',
  'constructor',
  'é',
  'a b',
  'x'.repeat(300)
]

function entry(random: Random): string {
  if (chance(random, 0.1)) return randomValue(random)
  const chosen = members.filter(() => chance(random, 0.3))
  if (chance(random, 0.5)) chosen.push('command')
  const written = chosen.map((name) => {
    const values = memberValues[name]
    const usual = values !== undefined && chance(random, 0.8)
    return `"${name}":${usual ? pick(random, values) : randomValue(random)}`
  })
  return `{${written.join(',')}${chance(random, 0.1) ? ',' : ''}}`
}

export function configFile(random: Random): Buffer {
  const kind = random()
  if (kind < 0.03) return Buffer.from(deep(random))
  if (kind < 0.08) return Buffer.from(randomObject(random, size(random, 300)))
  const entries = Array.from(
    { length: size(random, 4) },
    () => `"${pick(random, names)}":${entry(random)}`
  )
  const list = chance(random, 0.1) ? randomValue(random) : `{${entries.join(',')}}`
  const comment = pick(random, ['', '', '', '// a "b\n', '/* " */', '\ufeff', `/* ${secret} `])
  const bytes = Buffer.from(`${comment}{"${pick(random, ['mcpServers', 'servers'])}":${list}}`)
  return chance(random, 0.3) ? mutate(random, bytes, 3) : bytes
}

const challenges = [
  ...['Bearer', 'Bearer realm="a"', 'Bearer error="invalid_token", scope="a b"', 'Basic realm=a'],
  ...[
    'Bearer resource_metadata="http://a/.well-known/oauth-protected-resource"',
    'Digest',
    'Negotiate abc=='
  ],
  ...[
    'Digest realm="a", nonce="b", qop="auth", algorithm=SHA-256, opaque="c"',
    'Digest nonce="b", stale=true'
  ],
  ...['Digest realm="\\"", nonce="\\\\", qop="auth,auth-int", algorithm=MD5-sess, userhash=true'],
  ...[
    'Digest nonce="é\t", qop=auth',
    'Digest nonce="',
    ',,,=,"',
    'a=b',
    'Digest nonce=x, algorithm=SHA-512-256'
  ]
]

/** The value of `WWW-Authenticate`: several challenges, as Node gives them. */
export function challenge(random: Random): Buffer {
  const parts = Array.from({ length: size(random, 5) }, () => pick(random, challenges))
  const bytes = Buffer.from(parts.join(pick(random, [', ', ',', ' '])), 'latin1')
  if (chance(random, 0.01))
    return Buffer.from(pick(random, ['a="', ',', 'a ', '\\"', 'a=']).repeat(20_000))
  return chance(random, 0.6) ? mutate(random, bytes) : bytes
}

/** The status and the body of a response of a token endpoint, with a line break between them. */
export function tokenAnswer(random: Random): Buffer {
  const or = (usual: string): string => (chance(random, 0.7) ? usual : randomValue(random))
  const token = or(
    pick(random, ['"token"', '"a b"', '"a\\r\\nX: y"', '"é"', '""', `"${'x'.repeat(70_000)}"`])
  )
  const good = `"access_token":${token},"token_type":${or('"bearer"')},"expires_in":${or('60')}`
  const bad = `"error":${or('"invalid_client"')},"error_description":${or(`"${secret}\\r\\n no"`)}`
  const status = pick(random, ['200', '200', '200', '400', '401', '500', '204', '302', '600', '0'])
  const body = chance(random, 0.1)
    ? randomValue(random)
    : `{${pick(random, [good, bad, `${good},${bad}`])}}`
  const bytes = Buffer.from(body)
  return Buffer.concat([
    Buffer.from(`${status}\n`),
    chance(random, 0.3) ? mutate(random, bytes, 3) : bytes
  ])
}

/** The header `Authorization` of a request and a token file, with a line break between them. */
export function tokenFile(random: Random): Buffer {
  const headers = [
    'Bearer a',
    'bearer  abc ',
    'Bearer',
    'Bearer a b',
    'Basic a',
    '',
    'Bearer \t',
    `Bearer ${'a '.repeat(3000)}`
  ]
  const lines = [
    ...[
      'alice:a',
      'bob:abc',
      '# comment',
      '',
      'bob:a',
      ':a',
      'name',
      'name:',
      `name:${secret} x`,
      secret
    ],
    ...[
      'x:sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb',
      'x:sha256:zz',
      '\ufeffa:b'
    ]
  ]
  const text = Array.from({ length: size(random, 8) }, () => pick(random, lines)).join(
    pick(random, ['\n', '\r\n'])
  )
  const bytes = Buffer.from(text)
  return Buffer.concat([
    Buffer.from(`${pick(random, headers)}\n`),
    chance(random, 0.5) ? mutate(random, bytes, 3) : bytes
  ])
}
