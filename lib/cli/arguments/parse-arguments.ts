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
import { isHeaderValue, toUrlConfig } from '../../config/checks.ts'
import type { MakeEnvironment } from '../../config/config-file.ts'
import type {
  ClientConfig,
  CommonConfig,
  Config,
  CredentialsConfig,
  ServeConfig
} from '../../config/config.ts'
import { ProxyError } from '../../errors.ts'
import { serverEnvironment } from '../../stdio/environment.ts'
import { readTarget } from './command-or-url.ts'
import { readNamedServers } from './named-servers.ts'
import { membersOf, Options } from './options.ts'
import { usage } from './usage.ts'
import { adviceOn, ignoredFlags } from './warnings.ts'
import { readWords } from './words.ts'

/**
 * Makes the configuration of a command line. The function reads the config file, if the user names
 * one, and opens no other file.
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
  const options = new Options(words)
  checkTogether(options.values)
  const token = readToken(env)
  const url = readTarget(options.command, env)
  if (url !== undefined) return clientConfig(options, url, token)
  const { [authVariable]: authToken, ...passed } = env
  const environment: MakeEnvironment = (own) => {
    const passEnvironment = options.values['pass-environment']
    return serverEnvironment({ env: passed, platform, passEnvironment }, own)
  }
  return serveConfig(options, environment, env, authToken)
}

function clientConfig(options: Options, url: URL, token: Pair[]): ClientConfig {
  const situation = { command: false, process: false, remote: true, file: false }
  const { names, warnings } = ignoredFlags(options, { mode: 'client', ...situation })
  const values = options.without(names)
  if (options.args.length > 0) warnings.push('ignored with a URL: the words after it')
  const credentials = readCredentials(values)
  return {
    mode: 'client',
    server: toUrlConfig(url, [...values.headers, ...token], values.transport),
    ...(credentials && { credentials }),
    ...commonConfig(values),
    limits: membersOf(limitFlags, values),
    warnings,
    ...(values.check && { check: { faults: [] } })
  }
}

async function serveConfig(
  options: Options,
  environment: MakeEnvironment,
  env: NodeJS.ProcessEnv,
  authToken: string | undefined
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
    remote: kinds.includes('url'),
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
    ...membersOf(httpFlags, values),
    ...membersOf(serverFlags, values),
    ...(cert && key && { tls: { cert, key } }),
    ...readAuth(values['auth-token-file'], authToken),
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
    ...membersOf(eraFlags, values)
  }
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
  const { username, password, digest } = values
  if ((username === undefined) !== (password === undefined) || (digest && !username)) {
    throw usage('a login needs --username and --password')
  }
  const missing = oauthFlags.filter((name) => !values[name])
  if (missing.length === 0 || missing.length === oauthFlags.length) return
  const names = missing.map((name) => `--${name}`).join(' and ')
  throw usage(`client credentials need ${names} too`)
}

const oauthFlags = ['client-id', 'client-secret', 'token-url'] as const

function readCredentials(values: FlagValues): CredentialsConfig | undefined {
  const { 'client-id': clientId, 'client-secret': clientSecret, 'token-url': tokenUrl } = values
  if (clientId && clientSecret && tokenUrl)
    return { kind: 'oauth', clientId, clientSecret, tokenUrl }
  const { username, password, digest } = values
  if (username === undefined || password === undefined) return undefined
  return { kind: 'login', username, password, digest }
}

/** This variable has the token of clients in server mode. Servers never get it from the proxy. */
const authVariable = 'MCP_PROXY_AUTH_TOKEN'

/** @param given the value of `MCP_PROXY_AUTH_TOKEN` */
function readAuth(file: string | undefined, given = ''): Pick<ServeConfig, 'auth'> {
  const token = given.trim()
  if (!/^[\x21-\x7e]*$/.test(token)) {
    throw usage(`${authVariable}: the value has a character that is not allowed`)
  }
  if (file === undefined && token === '') return {}
  return { auth: { ...(file !== undefined && { file }), ...(token !== '' && { token }) } }
}

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
