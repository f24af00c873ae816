// The table of flags: its names, and what each flag does in each mode.

import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { flagNames, flags, spellings } from '../../lib/cli/flags.ts'
import type { FlagName } from '../../lib/cli/flags.ts'
import type { ClientConfig, ServeConfig } from '../../lib/config/config.ts'
import { client, server, sse } from './parse.ts'

t.test('the flags of the reference are there under all their names', async (t) => {
  const names =
    'help version headers transport client-id client-secret token-url username password digest verify-ssl no-verify-ssl env ' +
    'cwd pass-environment no-pass-environment log-level debug no-debug named-server ' +
    'named-server-config port sse-port host sse-host stateless no-stateless allow-origin expose-header'
  const found = [...spellings()].filter(([, { name }]) => flags[name].reference)
  t.strictSame(found.map(([text]) => text).sort(), names.split(' ').sort())
})

t.test('no two flags share a name', async (t) => {
  const ways = flagNames.flatMap((name) => {
    const flag = flags[name]
    const negation = 'negatable' in flag ? [`no-${name}`] : []
    return [name, ...negation, ...('alias' in flag ? [flag.alias] : [])]
  })
  t.equal(spellings().size, ways.length)
})

/** A value for each placeholder, other than the default. */
const samples: Record<string, string> = {
  '[HOST:]PORT': '9000',
  '[HOST:]PORT|PATH': '9464',
  CARRIER: 'move',
  CIDR: '10.0.0.0/8',
  DIR: '/',
  ERA: 'legacy',
  WHEN: 'off',
  FORMAT: 'json',
  GLOB: 'read_*',
  HOST: 'example.com',
  ID: 'a',
  LEVEL: 'ERROR',
  N: '7',
  NAME: 'sse',
  PASSWORD: 'p',
  PATH: '/tools',
  REPLICA: 'a',
  SECRET: 'b',
  'SERVER=SCOPE': 'A=s',
  SIZE: '7k',
  T: '7s',
  URI: 'a:b',
  URL: 'https://auth.example.com/token'
}

/** Flags that other flags need. */
const companions: Partial<Record<FlagName, FlagName[]>> = {
  'audit-required': ['audit'],
  cert: ['key'],
  key: ['cert'],
  'tls-cert': ['tls-key'],
  'tls-key': ['tls-cert'],
  username: ['password'],
  password: ['username'],
  digest: ['username', 'password'],
  'client-id': ['client-secret', 'token-url'],
  'client-secret-file': ['client-id'],
  'client-key': ['client-id'],
  'client-issuer': ['client-id'],
  'client-credentials': ['client-id', 'client-secret'],
  'client-secret': ['client-id', 'token-url'],
  'token-url': ['client-id', 'client-secret'],
  'auth-audience': ['auth-issuer'],
  'auth-scope': ['auth-issuer', 'named-server'],
  'auth-introspection': ['auth-issuer', 'auth-introspection-file'],
  'auth-introspection-file': ['auth-issuer', 'auth-introspection']
}

/** A flag with a value; `file` is the value of all that name a file. */
function wordsFor(key: string, file: string): string[] {
  const { name } = spellings().get(key) as { name: FlagName }
  const flag = flags[name]
  switch (flag.shape) {
    case 'switch':
      return [`--${key}`]
    case 'verify':
      return [`--no-${key}`]
    case 'pair':
      return [`--${key}`, 'A', 'b']
    case 'origins':
      return [`--${key}`, '*']
    case 'value':
    case 'list':
      return [
        `--${key}`,
        flag.kind.placeholder === 'FILE' ? file : (samples[flag.kind.placeholder] as string)
      ]
    case 'act':
      throw new Error('gives no configuration')
  }
}

const withoutWarnings = ({ warnings: _, ...rest }: ClientConfig | ServeConfig): object => rest

/** The names of the flags that have an effect. The others must be in a warning. */
async function effective(
  t: Test,
  parse: (argv: string[]) => Promise<ClientConfig | ServeConfig>,
  base: string[],
  file: string
): Promise<string[]> {
  const before = await parse(base)
  t.strictSame(before.warnings, [])
  const found: string[] = []
  for (const [key, { name, negated }] of spellings()) {
    if (flags[name].shape === 'act' || negated || base.includes(`--${key}`)) continue
    const [word, ...value] = wordsFor(key, file) as [string, ...string[]]
    const others = (companions[name] ?? []).flatMap((other) => wordsFor(other, file))
    // Another flag must not be the reason for the change.
    const own = name === 'audit-required' ? [...base, ...others] : base
    const after = await parse([...base, word, ...value, ...others])
    const ignored = after.warnings.filter((warning) => warning.startsWith('ignored '))
    const isIgnored = ignored.some((warning) => warning.split(/[ ,]+/).includes(word))
    const isChanged = !isDeepStrictEqual(withoutWarnings(await parse(own)), withoutWarnings(after))
    t.equal(isIgnored, !isChanged, `${word} either changes the configuration or gets a warning`)
    if (isChanged) found.push(key)
  }
  return found
}

const inBoth =
  'check era translate max-message connect-timeout close-timeout drain-timeout max-rounds log-level log-format log-file debug ' +
  'record audit metrics inspect inspect-memory traces trace-context input-timeout max-connections max-group-connections ' +
  'allow-tool deny-tool allow-prompt deny-prompt allow-resource deny-resource'
const atUrls = 'verify-ssl ca cert key'
const ofServer =
  'named-server named-server-config watch shared port sse-port host sse-host stateless allow-origin ' +
  'expose-header allow-host base-path replica trust-proxy audit-required max-caller-sessions max-caller-rate max-caller-burst max-caller-calls max-caller-connections max-caller-bodies max-callers auth-token-file require-auth tls-cert tls-key max-body-memory max-sessions session-timeout detached-timeout ' +
  'idle-timeout ' +
  'keep-alive max-replay max-queue stream-after retry ' +
  'auth-issuer auth-audience auth-scope auth-introspection auth-introspection-file public-url ' +
  'max-tokens clock-skew key-age introspection-age max-introspections'

const words = (...lists: string[]): string[] => lists.join(' ').split(' ').sort()

t.test('a flag that has no effect in client mode gets a warning', async (t) => {
  const file = `${t.testdir({ 'any.pem': 'X-A: b' })}/any.pem`
  const found = await effective(t, client, [sse], file)
  const ofClient =
    'headers headers-file transport client-id client-secret client-secret-file client-key ' +
    'client-issuer client-credentials token-url username password digest client-metadata-url no-browser ' +
    'callback-port login-timeout'
  t.strictSame(found.sort(), words(inBoth, atUrls, ofClient))
  t.match(await client([sse, '--keep-alive', '1s', '--retry', '2s']), {
    warnings: ['ignored with a URL: --keep-alive, --retry']
  })
})

t.test('a flag that has no effect in server mode gets a warning', async (t) => {
  const file = `${t.testdir({ 'a.json': '{"servers":{"a":{"command":"a"}}}' })}/a.json`
  const found = await effective(t, server, ['x'], file)
  const ofProcess = 'env cwd pass-environment prewarm restarts probe-timeout'
  t.strictSame(found.sort(), words(inBoth, ofServer, ofProcess))
})

t.test('server mode warns about flags for processes if all servers are at URLs', async (t) => {
  const file = `${t.testdir({ 'a.json': `{"servers":{"A":{"url":"${sse}"}}}` })}/a.json`
  const found = await effective(t, server, ['--named-server-config', file], file)
  // One is in the base already, the other gives way to it.
  const others = words(inBoth, atUrls, ofServer).filter((key) => !key.startsWith('named-server'))
  t.strictSame(found.sort(), others)
})
