// The command line, made into one checked object. Whatever the Python mcp-proxy takes is taken alike:
// flags after the command, flags cut short, flags of two words. Values are told in messages only
// where they cannot be secrets.

import { existsSync, statSync } from 'node:fs'
import minimist from 'minimist'
import {
  isHeaderName,
  isHeaderValue,
  isServerName,
  parseHttpUrl,
  toUrlConfig
} from '../config/config.ts'
import type {
  ChildConfig,
  ClientConfig,
  Config,
  LogLevel,
  OAuthConfig,
  ServeConfig,
  ServerConfig,
  TransportName,
  UrlConfig
} from '../config/config.ts'
import type { MakeEnvironment } from '../config/file.ts'
import { ProxyError } from '../errors.ts'
import { limits as defaults } from '../limits.ts'
import type { Limits } from '../limits.ts'
import { sessionIdHeader } from '../protocol/headers.ts'
import { serverEnvironment } from '../stdio/environment.ts'

/** How the words of a flag are read. All but `act` may be given more than once. */
type Shape =
  | 'act' // --help
  | 'switch' // --debug, --no-debug
  | 'value' // --port N, --port=N
  | 'pair' // --env KEY VALUE
  | 'verify' // --verify-ssl, --verify-ssl VALUE, --no-verify-ssl
  | 'origins' // --allow-origin ORIGIN ORIGIN

const reference: [string, Shape][] = [
  ['help', 'act'],
  ['version', 'act'],
  ['headers', 'pair'],
  ['transport', 'value'],
  ['client-id', 'value'],
  ['client-secret', 'value'],
  ['token-url', 'value'],
  ['verify-ssl', 'verify'],
  ['no-verify-ssl', 'switch'],
  ['env', 'pair'],
  ['cwd', 'value'],
  ['pass-environment', 'switch'],
  ['no-pass-environment', 'switch'],
  ['log-level', 'value'],
  ['debug', 'switch'],
  ['no-debug', 'switch'],
  ['named-server', 'pair'],
  ['named-server-config', 'value'],
  ['port', 'value'],
  ['sse-port', 'value'],
  ['host', 'value'],
  ['sse-host', 'value'],
  ['stateless', 'switch'],
  ['no-stateless', 'switch'],
  ['allow-origin', 'origins'],
  ['expose-header', 'value']
]

const limitFlags: Record<
  keyof Limits,
  [flag: string, read: (flag: string, text: string) => number]
> = {
  maxMessage: ['max-message', readSize],
  keepAlive: ['keep-alive', readTime],
  sessionTimeout: ['session-timeout', readTime],
  maxSessions: ['max-sessions', readWhole],
  idleTimeout: ['idle-timeout', readTime],
  closeTimeout: ['close-timeout', readTime],
  drainTimeout: ['drain-timeout', readTime],
  restarts: ['restarts', readWhole],
  connectTimeout: ['connect-timeout', readTime],
  maxReplay: ['max-replay', readSize],
  maxQueue: ['max-queue', readSize],
  streamAfter: ['stream-after', readTime],
  retry: ['retry', readTime]
}

const ours = [
  ...['allow-host', 'base-path', 'ca', 'cert', 'key', 'prewarm', 'record', 'tls-cert', 'tls-key'],
  ...Object.values(limitFlags).map(([flag]) => flag)
]

const shapes: ReadonlyMap<string, Shape> = new Map([
  ...reference,
  ['shared', 'switch'],
  ...ours.map((name): [string, Shape] => [name, 'value'])
])

/** Every flag there is, without its dashes. */
export const flags: readonly string[] = [...shapes.keys()]

const short: Record<string, string> = { '-e': 'env', '-H': 'headers', '-h': 'help' }

const clientOnly = ['headers', 'transport', 'client-id', 'client-secret', 'token-url']

const serverOnly = [
  ...['env', 'cwd', 'pass-environment', 'named-server', 'named-server-config', 'port', 'sse-port'],
  ...[
    'host',
    'sse-host',
    'stateless',
    'shared',
    'allow-origin',
    'expose-header',
    'prewarm',
    'base-path'
  ],
  ...['allow-host', 'tls-cert', 'tls-key', 'session-timeout', 'max-sessions', 'idle-timeout']
]

/**
 * What the words ask for. Of the files they name the config file is read; no other is opened.
 *
 * @throws ProxyError `ERR_USAGE`, or `ERR_CONFIG` for the file: one line that says what to do
 */
export async function parseArguments(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  platform: NodeJS.Platform = process.platform
): Promise<Config> {
  const words = readWords(argv)
  if ('asked' in words) return { mode: words.asked }
  const options = new Options(words)
  const common = readCommon(options)
  const { oauth, ...request } = readRequest(options, env)
  const { variables, ...child } = readChild(options)
  const listener = readListener(options)

  const url = targetUrl(options.command, env)
  if (url) {
    const server = toUrlConfig(url, request.headers, request.transport)
    const warnings = warningsWithUrl(options)
    return { mode: 'client', server, ...(oauth && { oauth }), ...common, warnings }
  }

  const { command, args } = options
  const environment: MakeEnvironment = (own) =>
    serverEnvironment({ env, platform, passEnvironment: options.isOn('pass-environment') }, own)
  const first: ChildConfig | undefined =
    command === ''
      ? undefined
      : { kind: 'command', command, args, env: environment(variables), ...child }
  const named = await readNamed(options, environment)
  if (first === undefined && named.size === 0) throw usage(nothingToDo)
  const warnings = warningsWithoutUrl(options, named)
  return {
    mode: 'server',
    ...(first && { default: first }),
    named,
    ...listener,
    ...common,
    warnings
  }
}

const nothingToDo =
  "nothing to do: give a URL to reach, a command to serve, or --named-server NAME 'COMMAND'; see mcp-proxy --help"

function warningsWithUrl(options: Options): string[] {
  return [
    ...ignored(options.given(serverOnly), 'with a URL'),
    ...ignored(options.args.length > 0 ? ['the words after it'] : [], 'with a URL')
  ]
}

function warningsWithoutUrl(options: Options, named: ReadonlyMap<string, unknown>): string[] {
  const file = options.last('named-server-config')
  const names = options.pairs('named-server').map(([name]) => name)
  const twice = names.filter((name, i) => names.indexOf(name) < i)
  return [
    ...ignored(options.given(clientOnly), 'without a URL'),
    ...ignored(options.command ? [] : options.given(['env', 'cwd']), 'without a command'),
    ...options
      .given(['sse-port', 'sse-host'])
      .map((old) => `${old} is deprecated: write ${old.replace('sse-', '')}`),
    ...(file === undefined
      ? twice.map((name) => `--named-server ${name} is given again: the last one counts`)
      : ignored(options.given(['named-server']), 'with --named-server-config')),
    ...(file !== undefined && named.size === 0 ? [`${file}: has no server that is enabled`] : []),
    ...options
      .all('allow-origin')
      .filter((origin) => !isOrigin(origin))
      .map((origin) => `--allow-origin ${origin}: browsers send it like https://example.com`)
  ]
}

const ignored = (what: string[], where: string): string[] =>
  what.length > 0 ? [`ignored ${where}: ${what.join(', ')}`] : []

// Words ---------------------------------------------------------------------------------------------

interface Words {
  /** For minimist: every flag as --name=value, so that there is nothing to guess. */
  plain: string[]
  pairs: Map<string, [string, string][]>
}

function readWords(argv: readonly string[]): Words | { asked: 'help' | 'version' } {
  const plain: string[] = []
  const pairs: Words['pairs'] = new Map()
  const rest = [...argv]
  let commandSeen = false

  for (let word; (word = rest.shift()) !== undefined;) {
    if (word === '--') {
      plain.push(word, ...rest)
      break
    }
    if (!/^-./.test(word)) {
      commandSeen = true
      plain.push(word)
      continue
    }
    const [given, inline] = cut(word)
    const name = fullName(given)
    if (name === undefined) throw unknownFlag(given, commandSeen)
    const set = (value: string, flag = name): number => plain.push(`--${flag}=${value}`)
    const next = (wanted: string): string => {
      const value = rest.shift()
      // A flag is never the value of another: that one's value was forgotten.
      if (value !== undefined && value !== '--' && fullName(cut(value)[0]) === undefined)
        return value
      throw usage(`${given} needs ${wanted}`)
    }

    const shape = shapes.get(name)
    if (inline !== undefined && (shape === 'act' || shape === 'switch')) {
      throw usage(`${given} takes no value: write ${given}, or leave it out`)
    }
    switch (shape) {
      case 'act':
        return { asked: name as 'help' | 'version' }
      case 'switch':
        set(String(!name.startsWith('no-')), name.replace(/^no-/, ''))
        break
      case 'pair': {
        const wanted = twoWords[name] as string
        const pair: [string, string] = [inline ?? next(wanted), next(wanted)]
        pairs.set(name, [...(pairs.get(name) ?? []), pair])
        break
      }
      case 'verify':
        if (inline !== undefined) set(inline)
        else
          set(rest[0] !== undefined && isVerifyValue(rest[0]) ? (rest.shift() as string) : 'true')
        break
      case 'origins':
        set(inline ?? next(`an origin: ${given} https://example.com`))
        while (inline === undefined && rest[0] !== undefined && isOrigin(rest[0])) {
          set(rest.shift() as string)
        }
        break
      default:
        set(inline ?? next(`a value: ${given} VALUE`))
    }
  }
  return { plain, pairs }
}

const twoWords: Record<string, string> = {
  env: 'two words: -e KEY VALUE',
  headers: "two words: -H Authorization 'Bearer TOKEN'",
  'named-server': "two words: --named-server NAME 'COMMAND ARGS'"
}

function cut(word: string): [given: string, inline: string | undefined] {
  const at = word.indexOf('=')
  return at === -1 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)]
}

/** The whole name of a flag. Like argparse's, the reference's may be cut short: `--header`. */
function fullName(given: string): string | undefined {
  if (!given.startsWith('--')) return short[given]
  const name = given.slice(2)
  if (shapes.has(name)) return name
  const longer = reference.filter(([known]) => known.startsWith(name))
  return longer.length === 1 ? longer[0]?.[0] : undefined
}

function unknownFlag(given: string, afterCommand: boolean): ProxyError {
  // What is stuck to a flag may be a secret: only the flag is told.
  const pair = twoWords[short[given.slice(0, 2)] as string]
  if (pair !== undefined) return usage(`${given.slice(0, 2)} needs ${pair}`)
  const [flag] = given.split(/\s/) as [string]
  if (flag !== given && fullName(flag) !== undefined) {
    return usage(`${flag} and its value have come as one word: look at the quotes around them`)
  }
  if (afterCommand) {
    return usage(
      `unknown flag ${flag}: put -- before the command if it belongs to the command, see mcp-proxy --help if not`
    )
  }
  const name = flag.replace(/^-+/, '')
  const close = flags
    .map((known) => ({ known, steps: distance(known, name) }))
    .filter(({ known, steps }) => steps <= 2 || (name.length > 2 && known.startsWith(name)))
    .sort((a, b) => a.steps - b.steps)[0]
  const advice = close ? `did you mean --${close.known}?` : 'see mcp-proxy --help'
  return usage(`unknown flag ${flag}: ${advice}`)
}

/** Characters to insert, delete or replace between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (const [i, char] of [...a].entries()) {
    const above = row
    row = [i + 1]
    for (const [j, other] of [...b].entries()) {
      const replaced = (above[j] as number) + (char === other ? 0 : 1)
      row.push(Math.min(replaced, (above[j + 1] as number) + 1, (row[j] as number) + 1))
    }
  }
  return row.at(-1) as number
}

const isOrigin = (word: string): boolean =>
  word === '*' || word === 'null' || (word.includes('://') && !word.startsWith('-'))

const truth: ReadonlyMap<string, boolean> = new Map([
  ...['1', 'true', 'yes', 'on'].map((word): [string, boolean] => [word, true]),
  ...['0', 'false', 'no', 'off'].map((word): [string, boolean] => [word, false])
])

const isVerifyValue = (word: string): boolean => truth.has(word.toLowerCase()) || isFile(word)

const isFile = (path: string): boolean => existsSync(path) && statSync(path).isFile()

/** What was given, by flag. */
class Options {
  /** The first word that is no flag; '' if there is none. */
  readonly command: string
  readonly args: string[]
  readonly #values: Record<string, unknown>
  readonly #pairs: Words['pairs']

  constructor({ plain, pairs }: Words) {
    const values = minimist(plain, { string: ['_', ...flags] })
    const [command = '', ...args] = values._
    this.command = command
    this.args = args
    this.#values = values
    this.#pairs = pairs
  }

  pairs(flag: string): [string, string][] {
    return this.#pairs.get(flag) ?? []
  }

  all(flag: string): string[] {
    return [this.#values[flag] ?? []].flat() as string[]
  }

  /** The last one counts, as everywhere. */
  last(flag: string): string | undefined {
    return this.all(flag).at(-1)
  }

  isOn(flag: string): boolean {
    return this.last(flag) === 'true'
  }

  /** Which of these were given. Switched off is not given. */
  given(flags: string[]): string[] {
    const has = (flag: string): boolean =>
      this.#pairs.has(flag) || ![undefined, 'false'].includes(this.last(flag))
    return flags.filter(has).map((flag) => `--${flag}`)
  }

  read<T>(flag: string, read: (flag: string, text: string) => T): T | undefined {
    const text = this.last(flag)
    return text === undefined ? undefined : read(`--${flag}`, text)
  }
}

// Modes ---------------------------------------------------------------------------------------------

// Both modes check every flag, also those that have no effect in theirs: a mistake is a mistake.

function readCommon(options: Options): Omit<ClientConfig, 'mode' | 'server' | 'oauth'> {
  const limits = { ...defaults }
  for (const limit of Object.keys(limitFlags) as (keyof Limits)[]) {
    limits[limit] = options.read(...limitFlags[limit]) ?? limits[limit]
  }
  const level = options.read('log-level', choiceOf(logLevels)) ?? 'INFO'
  const ca = options.read('ca', readFileName)
  const record = options.read('record', readFileName)
  return {
    logLevel: options.isOn('debug') ? 'DEBUG' : level,
    limits,
    verify: options.read('verify-ssl', readVerify) ?? true,
    ...(ca && { ca }),
    ...together(options, 'cert', 'key'),
    ...(record && { record }),
    warnings: []
  }
}

type RequestConfig = Pick<UrlConfig, 'transport'> & {
  headers: [string, string][]
  oauth: OAuthConfig | undefined
}

function readRequest(options: Options, env: NodeJS.ProcessEnv): RequestConfig {
  const headers = [...options.pairs('headers')]
  for (const [name, value] of headers) {
    // "Authorization: Bearer …" as one word is curl's way; its text must not be told.
    if (!isHeaderName(name)) throw usage(`--headers needs ${twoWords.headers}`)
    if (!isHeaderValue(value)) throw usage(`--headers ${name}: no header can have such characters`)
  }
  const token = env.API_ACCESS_TOKEN?.trim() ?? ''
  if (!isHeaderValue(token)) throw usage('API_ACCESS_TOKEN: no header can have such characters')
  if (token !== '') headers.push(['Authorization', `Bearer ${token}`])
  const transport = options.read('transport', choiceOf(transports)) ?? 'auto'
  return { headers, transport, oauth: readOAuth(options) }
}

function readChild(options: Options): { cwd?: string; variables: [string, string][] } {
  const variables = options.pairs('env')
  if (variables.some(([name]) => name === '' || name.includes('='))) {
    throw usage(`--env needs ${twoWords.env}`)
  }
  const cwd = options.last('cwd')
  return { variables, ...(cwd && { cwd }) }
}

type ListenConfig = Pick<
  ServeConfig,
  | 'port'
  | 'host'
  | 'stateless'
  | 'shared'
  | 'allowOrigins'
  | 'exposeHeaders'
  | 'allowHosts'
  | 'basePath'
  | 'tls'
  | 'prewarm'
>

function readListener(options: Options): ListenConfig {
  const old = { port: options.read('sse-port', readPort), host: options.read('sse-host', readHost) }
  const exposed = options.all('expose-header').map(readExposed)
  const tls = together(options, 'tls-cert', 'tls-key')
  return {
    port: options.read('port', readPort) ?? old.port ?? 0,
    host: options.read('host', readHost) ?? old.host ?? '127.0.0.1',
    stateless: options.isOn('stateless'),
    shared: options.isOn('shared'),
    allowOrigins: options.all('allow-origin').map(readOrigin),
    exposeHeaders: exposed.length > 0 ? exposed : [sessionIdHeader],
    allowHosts: options.all('allow-host').map(readAllowedHost),
    basePath: options.read('base-path', readBasePath) ?? '',
    ...(tls && { tls }),
    prewarm: options.read('prewarm', readWhole) ?? 0
  }
}

async function readNamed(
  options: Options,
  environment: MakeEnvironment
): Promise<Map<string, ServerConfig>> {
  const file = options.read('named-server-config', readFileName)
  if (file === undefined) return splitNamed(options.pairs('named-server'), environment)
  const { loadConfigFile } = await import('../config/file.ts')
  const named = await loadConfigFile(file, environment)
  if (named.size === 0 && options.command === '') {
    throw new ProxyError('ERR_CONFIG', `${file}: has no server that is enabled`)
  }
  return named
}

async function splitNamed(
  definitions: [string, string][],
  environment: MakeEnvironment
): Promise<Map<string, ServerConfig>> {
  const named = new Map<string, ServerConfig>()
  for (const [name, text] of definitions) {
    if (!isServerName(name)) {
      throw usage(
        `--named-server ${quote(name)}: the name must be fit for a URL: not empty, "." or ".."`
      )
    }
    const [command = '', ...args] = await splitCommand(name, text)
    if (command === '') throw usage(`--named-server ${name}: its command is empty`)
    named.set(name, { kind: 'command', command, args, env: environment([]) })
  }
  return named
}

async function splitCommand(name: string, text: string): Promise<string[]> {
  if (!/['"\\]/.test(text)) return text.split(/[ \t\r\n]+/).filter((word) => word !== '')
  const { split } = await import('shlex')
  try {
    return split(text)
  } catch {
    throw usage(
      `--named-server ${name}: a quote or backslash in its command has nothing to close it`
    )
  }
}

function targetUrl(target: string, env: NodeJS.ProcessEnv): URL | undefined {
  const address = target || env.SSE_URL
  if (!address) return undefined
  const url = parseHttpUrl(address)
  // Not repeated in messages: there may be a password in it.
  if (target === '' && !url) throw usage('SSE_URL must be a URL like http://host:8080/mcp')
  if (/^(https?:|[a-z][a-z\d+.-]*:\/\/)/i.test(target) && !url) {
    throw usage('the URL cannot be reached: write it like http://host:8080/mcp')
  }
  return url
}

function readOAuth(options: Options): OAuthConfig | undefined {
  const names = ['client-id', 'client-secret', 'token-url']
  const [clientId, clientSecret, address] = names.map((name) => options.last(name))
  if (!clientId && !clientSecret && !address) return undefined
  if (!clientId || !clientSecret || !address) {
    const missing = names.filter((name) => !options.last(name)).map((name) => `--${name}`)
    throw usage(`client credentials need ${missing.join(' and ')} too`)
  }
  const tokenUrl = parseHttpUrl(address)
  if (!tokenUrl) throw usage('--token-url needs a URL like https://auth.example.com/token')
  return { clientId, clientSecret, tokenUrl }
}

// Values --------------------------------------------------------------------------------------------

const logLevels: LogLevel[] = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL']
const transports: TransportName[] = ['auto', 'sse', 'streamablehttp']

const usage = (message: string): ProxyError => new ProxyError('ERR_USAGE', message)
const quote = (text: string): string => JSON.stringify(text)

function choiceOf<T extends string>(choices: T[]): (flag: string, text: string) => T {
  return (flag, text) => {
    const found = choices.find((choice) => choice.toLowerCase() === text.toLowerCase())
    if (found === undefined)
      throw usage(`${flag} is one of ${choices.join(', ')}, not ${quote(text)}`)
    return found
  }
}

function readWhole(flag: string, text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN
  if (!Number.isSafeInteger(number)) throw usage(`${flag} needs a whole number, not ${quote(text)}`)
  return number
}

function readPort(flag: string, text: string): number {
  const port = /^\d+$/.test(text) ? Number(text) : NaN
  if (!(port <= 65535)) throw usage(`${flag} needs a number from 0 to 65535, not ${quote(text)}`)
  return port
}

const kibi: Record<string, number> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

function readSize(flag: string, text: string): number {
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)([kmg]?)b?$/.exec(text.toLowerCase()) ?? []
  const size = Math.ceil(Number(amount) * (kibi[unit] as number))
  if (!Number.isSafeInteger(size))
    throw usage(`${flag} needs a size like 512k, 64m or 1g, not ${quote(text)}`)
  return size
}

const milliseconds: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** A timer of Node's that is set for longer fires at once. */
const longest = 2 ** 31 - 1

function readTime(flag: string, text: string): number {
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.toLowerCase()) ?? []
  if (amount === undefined)
    throw usage(`${flag} needs a time like 500ms, 30s or 5m, not ${quote(text)}`)
  if (Number(amount) === 0) return 0
  const scale = milliseconds[unit]
  if (scale === undefined)
    throw usage(`${flag} ${amount} needs a unit: ${amount}ms, ${amount}s, ${amount}m or ${amount}h`)
  // 0 would turn the limit off, which a very short time does not mean.
  const time = Math.max(1, Math.round(Number(amount) * scale))
  if (time > longest) throw usage(`${flag} can be 596h at most; 0 is no limit`)
  return time
}

function readVerify(flag: string, text: string): boolean | string {
  const word = truth.get(text.toLowerCase())
  if (word === undefined && !isFile(text)) {
    throw usage(`${flag} takes true, false or a PEM file, and there is no file ${quote(text)}`)
  }
  return word ?? text
}

function readFileName(flag: string, text: string): string {
  if (text === '') throw usage(`${flag} needs the name of a file`)
  return text
}

function together(
  options: Options,
  cert: string,
  key: string
): { cert: string; key: string } | undefined {
  const files = { cert: options.read(cert, readFileName), key: options.read(key, readFileName) }
  if (files.cert && files.key) return { cert: files.cert, key: files.key }
  if (files.cert) throw usage(`--${cert} needs --${key} too`)
  if (files.key) throw usage(`--${key} needs --${cert} too`)
  return undefined
}

function readHost(flag: string, text: string): string {
  if (text === '') throw usage(`${flag} needs a name or address: 127.0.0.1, or 0.0.0.0 for all`)
  return text.replace(/^\[(.*)\]$/, '$1')
}

// As a URL has it: in lower case, IPv6 in brackets.
function readAllowedHost(text: string): string {
  const bare = /^[^[]*:.*:/.test(text)
  const url = `http://${bare ? `[${text}]` : text}`
  if (!URL.canParse(url) || /[/?#@]/.test(text))
    throw usage(`--allow-host needs a host name, not ${quote(text)}`)
  return new URL(url).hostname
}

function readBasePath(flag: string, text: string): string {
  const segments = text.split('/').filter((segment) => segment !== '')
  if (/[?#\s\\:]/.test(text) || segments.some((segment) => /^\.\.?$/.test(segment))) {
    throw usage(`${flag} needs a path like /tools, not ${quote(text)}`)
  }
  return segments.map((segment) => `/${segment}`).join('')
}

function readExposed(name: string): string {
  if (!isHeaderName(name))
    throw usage(`--expose-header needs the name of a header, not ${quote(name)}`)
  return name
}

// As a browser writes it, or it would never match.
function readOrigin(text: string): string {
  return /^https?:/i.test(text) && URL.canParse(text) ? new URL(text).origin : text
}
