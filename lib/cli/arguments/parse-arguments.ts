// Makes the configuration of a command line:
//
//   words → options → mode and servers → drop the flags that have no effect → configuration
//
// Both modes read the value of every flag, so a wrong value is an error even if the mode ignores
// the flag.

import type { FlagName, FlagValues } from '../flags.ts'
import { tlsFlags } from '../flags/client.ts'
import type { Pair } from '../flags/flag.ts'
import { eraFlags } from '../flags/eras.ts'
import { httpFlags } from '../flags/http.ts'
import { limitFlags, maxOwnProcesses, serverLimitFlags } from '../flags/limits.ts'
import { loggingFlags } from '../flags/logging.ts'
import { serverFlags } from '../flags/servers.ts'
import { hasAuthorization, isHeaderValue, toUrlConfig } from '../../config/checks.ts'
import type { MakeEnvironment } from '../../config/config-file.ts'
import type {
  ClientConfig,
  CommonConfig,
  Config,
  CredentialsConfig,
  FilterConfig,
  ServeConfig
} from '../../config/config.ts'
import { credentialFault, toCredentials } from '../../config/credentials.ts'
import type { CredentialSettings } from '../../config/credentials.ts'
import { ProxyError } from '../../errors.ts'
import { serverEnvironment } from '../../stdio/environment.ts'
import { readTarget } from './command-or-url.ts'
import { readNamedServers } from './named-servers.ts'
import { membersOf, Options } from './options.ts'
import { authVariable, introspectionVariable, readAuth } from './read-auth.ts'
import { subcommandOf } from './subcommand.ts'
import { usage } from './usage.ts'
import { adviceOn, ignoredFlags } from './warnings.ts'
import { readWords } from './words.ts'

/**
 * Makes the configuration of a command line. The function reads the config file, if the user names
 * one, and a file of headers, and opens no other file.
 *
 * @throws ProxyError `ERR_USAGE` for the command line, `ERR_CONFIG` for the config file. The
 *   message is one line that says what to do
 */
export async function parseArguments(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  platform: NodeJS.Platform = process.platform
): Promise<Config> {
  const words = readWords(argv)
  if ('act' in words) return { mode: words.act }
  const subcommand = subcommandOf(words.plain, argv)
  if (subcommand === 'tokens') return { mode: 'tokens' }
  if (subcommand === 'inspect') return { mode: 'inspect', file: argv[1] as string }
  const plain = subcommand === undefined ? words.plain : words.plain.slice(1)
  const options = new Options({ ...words, plain })
  checkTogether(options.values)
  readCredentials(options.values, env)
  const token = readToken(env)
  const url = readTarget(options.command, env)
  if (url !== undefined) {
    const client = await clientConfig(options, url, token, env)
    return subcommand === undefined ? client : { mode: subcommand, client }
  }
  const { [authVariable]: _token, [introspectionVariable]: _credentials, ...rest } = env
  const { [secretVariable]: _secret, [passwordVariable]: _password, ...others } = rest
  // A server must not tell systemd that the proxy is ready.
  const { NOTIFY_SOCKET: _socket, ...passed } = others
  const environment: MakeEnvironment = (own) => {
    const passEnvironment = options.values['pass-environment']
    return serverEnvironment({ env: passed, platform, passEnvironment }, own)
  }
  return serveConfig(options, environment, env)
}

async function clientConfig(
  options: Options,
  url: URL,
  token: Pair[],
  env: NodeJS.ProcessEnv
): Promise<ClientConfig> {
  const situation = { command: false, process: false, remote: true, file: false }
  const { names: ignored, warnings } = ignoredFlags(options, { mode: 'client', ...situation })
  const values = options.without(ignored)
  if (options.args.length > 0) warnings.push('ignored with a URL: the words after it')
  for (const name of ['record', 'audit', 'log-file'] as const) {
    if (values[name] === '-') throw usage(`--${name} needs a file: the client reads stdout`)
  }
  if (values.metrics && 'path' in values.metrics) {
    throw usage('--metrics needs a port: client mode does not listen on HTTP')
  }
  const file = values['headers-file']
  const fromFile = file === undefined ? [] : await readHeaders(file)
  const headers = [...fromFile, ...values.headers, ...token]
  const server = toUrlConfig(url, headers, values.transport)
  // A header of the user takes the place of a sign-in.
  const credentials = readCredentials(values, env)
  const hasOwn = credentials.kind === 'signIn' && hasAuthorization(server)
  return {
    mode: 'client',
    server,
    ...(!hasOwn && { credentials }),
    ...commonConfig(values),
    limits: membersOf(limitFlags, values),
    warnings,
    ...(values.check && { check: { faults: [] } })
  }
}

async function readHeaders(file: string): Promise<Pair[]> {
  const { readHeadersFile } = await import('../../config/text-files.ts')
  return readHeadersFile(file)
}

async function serveConfig(
  options: Options,
  environment: MakeEnvironment,
  env: NodeJS.ProcessEnv
): Promise<ServeConfig> {
  const { command, args, values: given } = options
  const file = given['named-server-config']
  const definitions = given['named-server']
  const { named, faults } = await readNamedServers(file, definitions, environment, env)
  const isEmpty = named.size === 0 && faults.length === 0
  if (command === '' && named.size === 0 && (isEmpty || !given.check)) {
    if (file === undefined) throw usage(nothingToDo)
    const reason = isEmpty ? noneEnabled : faults.join('; ')
    throw new ProxyError('ERR_CONFIG', `${file}: ${reason}`)
  }

  const kinds = [...named.values()].map(({ kind }) => kind)
  const needed = {
    command: command !== '',
    process: command !== '' || kinds.includes('command'),
    // The TLS flags are for issuers too.
    remote: kinds.includes('url') || given['auth-issuer'].length > 0,
    file: file !== undefined
  }
  const { names, warnings } = ignoredFlags(options, { mode: 'server', ...needed })
  const values = options.without(names)
  if (file !== undefined && isEmpty) warnings.push(`${file}: ${noneEnabled}`)
  if (!given.check) warnings.push(...faults.map((fault) => `skipped in ${file}: ${fault}`))
  warnings.push(...adviceOn(options, values))

  const { env: variables, cwd, 'tls-cert': cert, 'tls-key': key } = values
  return {
    mode: 'server',
    ...(command !== '' && {
      default: {
        kind: 'command',
        command,
        args,
        env: environment(variables),
        ...(cwd && { cwd })
      }
    }),
    named,
    ...(file !== undefined && { configFile: file }),
    ...(faults.length > 0 && { faults }),
    ...membersOf(httpFlags, values),
    ...membersOf(serverFlags, values),
    ...(cert && key && { tls: { cert, key } }),
    ...readAuth(values, env, [...(command === '' ? [] : ['']), ...named.keys()]),
    ...commonConfig(values),
    limits: serverLimits(options, values, needed.process),
    warnings,
    ...(given.check && { check: { faults: faults.map((fault) => `${file}: ${fault}`) } })
  }
}

/** @param process whether at least one server is a process that the proxy starts */
function serverLimits(
  options: Options,
  values: FlagValues,
  process: boolean
): ServeConfig['limits'] {
  const limits = membersOf({ ...limitFlags, ...serverLimitFlags }, values)
  const ownProcess = process && !values.shared && !values.stateless
  if (!ownProcess || options.given('max-sessions').length > 0) return limits
  return { ...limits, maxSessions: maxOwnProcesses }
}

const noneEnabled = 'no server in it is enabled'

const nothingToDo =
  "nothing to do: give a URL to reach, a command to serve, or --named-server NAME 'COMMAND'; see mcp-proxy --help"

function commonConfig(values: FlagValues): Omit<CommonConfig, 'warnings' | 'check'> {
  const { logLevel, ...record } = membersOf(loggingFlags, values)
  return {
    logLevel: values.debug ? 'DEBUG' : logLevel,
    ...record,
    ...membersOf(tlsFlags, values),
    ...membersOf(eraFlags, values),
    ...readFilter(values)
  }
}

function readFilter(values: FlagValues): Pick<CommonConfig, 'filter'> {
  const filter: FilterConfig = {
    ...readSelection('tools', values['allow-tool'], values['deny-tool']),
    ...readSelection('prompts', values['allow-prompt'], values['deny-prompt']),
    ...readSelection('resources', values['allow-resource'], values['deny-resource'])
  }
  return Object.keys(filter).length > 0 ? { filter } : {}
}

function readSelection(kind: keyof FilterConfig, allow: string[], deny: string[]): FilterConfig {
  if (allow.length + deny.length === 0) return {}
  return { [kind]: { ...(allow.length > 0 && { allow }), ...(deny.length > 0 && { deny }) } }
}

/** @throws ProxyError `ERR_USAGE` if a flag is given without the flags that it needs */
function checkTogether(values: FlagValues): void {
  const pairs: [FlagName, FlagName][] = [
    ['cert', 'key'],
    ['tls-cert', 'tls-key']
  ]
  for (const [cert, key] of pairs) {
    if (values[cert] && !values[key]) throw usage(`--${cert} needs --${key} too`)
    if (values[key] && !values[cert]) throw usage(`--${key} needs --${cert} too`)
  }
  if (values['audit-required'] && !values.audit) throw usage('--audit-required needs --audit too')
}

/** These variables have secrets of client mode. Servers never get them from the proxy. */
const secretVariable = 'MCP_PROXY_CLIENT_SECRET'
const passwordVariable = 'MCP_PROXY_PASSWORD'

/** @throws ProxyError `ERR_USAGE` if settings do not fit together */
function readCredentials(values: FlagValues, env: NodeJS.ProcessEnv): CredentialsConfig {
  const given: CredentialSettings = {
    clientId: values['client-id'],
    clientSecret: values['client-secret'],
    clientSecretFile: values['client-secret-file'],
    clientKey: values['client-key'],
    clientIssuer: values['client-issuer'],
    clientMetadataUrl: values['client-metadata-url'],
    clientCredentials: values['client-credentials'],
    tokenUrl: values['token-url'],
    username: values.username,
    password: values.password ?? (values.username && env[passwordVariable]),
    digest: values.digest
  }
  const { clientId, clientSecret, clientSecretFile, clientKey } = given
  const hasProof = clientSecret || clientSecretFile || clientKey
  // A variable may be there for other runs, so it needs no client id.
  if (clientId && !hasProof) given.clientSecret = env[secretVariable]?.trim()
  const fault = credentialFault(given, flagOf)
  if (fault !== undefined) throw usage(fault)
  return toCredentials(given, {
    browser: !values['no-browser'],
    callbackPort: values['callback-port']
  })
}

/** Writes the name of a setting as a flag. */
const flagOf = (setting: string): string =>
  `--${setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

/**
 * Returns the Authorization header for the token in API_ACCESS_TOKEN; no header without a token.
 */
function readToken(env: NodeJS.ProcessEnv): Pair[] {
  const token = env.API_ACCESS_TOKEN?.trim() ?? ''
  if (!isHeaderValue(token)) {
    throw usage('API_ACCESS_TOKEN: the value has a character that is not allowed')
  }
  return token === '' ? [] : [['Authorization', `Bearer ${token}`]]
}
