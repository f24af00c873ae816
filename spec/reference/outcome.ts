// What a command line means, in one form for both parsers.

import { parseArguments } from '../../lib/cli/arguments/parse-arguments.ts'
import { isFile } from '../../lib/config/checks.ts'
import type { ServerConfig } from '../../lib/config/config.ts'

/** The members of the configuration that both have, or `error`. */
export type Outcome = Record<string, unknown>

/** What parse.py prints for a command line. */
export type Answer = { exit: number; message: string } | { args: Record<string, unknown> }

const around = { PATH: '/bin', PASSED: '1' }

type Pairs = [string, string][]
const lowerCase = (headers: Pairs): object =>
  Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]))

export async function fromOurs(argv: string[]): Promise<Outcome> {
  try {
    const config = await parseArguments(argv, around, 'linux')
    if (config.mode !== 'client' && config.mode !== 'server') return { mode: 'act' }
    const { logLevel, verify } = config
    if (config.mode === 'client') {
      const { server, credentials } = config
      const headers = lowerCase(Object.entries(server.headers))
      const { transport, url } = server
      const id = credentials?.kind === 'oauth' ? credentials.clientId : undefined
      const user = credentials?.kind === 'login' ? credentials.username : undefined
      return { mode: 'client', url: url.href, headers, transport, id, user, verify, logLevel }
    }
    const { default: own, named, port, host, stateless, allowOrigins, exposeHeaders } = config
    const first = own ?? [...named.values()][0]
    const {
      PATH: _,
      PASSED: passed,
      ...env
    } = { ...(first?.kind === 'command' ? first.env : {}) } as Record<string, string>
    return {
      mode: 'server',
      command: own?.command,
      args: own?.args,
      env: own && env,
      cwd: own?.cwd,
      passed: passed === '1',
      named: Object.fromEntries([...named].map(([name, server]) => [name, wordsOf(server)])),
      ...{ port, host, stateless, allowOrigins, exposeHeaders: exposeHeaders.join(', '), logLevel }
    }
  } catch (error) {
    return { error: (error as Error).message }
  }
}

const wordsOf = (server: ServerConfig): unknown =>
  server.kind === 'command' ? [server.command, ...server.args] : server

export function fromReference(answer: Answer): Outcome {
  if (!('args' in answer)) return answer.exit === 0 ? { mode: 'act' } : { error: answer.message }
  const all = answer.args
  const logLevel = all.debug === true ? 'DEBUG' : all.log_level
  const command = (all.command_or_url ?? '') as string
  if (/^https?:\/\//.test(command)) {
    const { client_id: id, client_secret: secret, token_url: url, verify_ssl: verify } = all
    return {
      mode: 'client',
      url: URL.canParse(command) ? new URL(command).href : command,
      headers: lowerCase(all.headers as Pairs),
      transport: all.transport,
      id: id && secret && url ? id : undefined,
      user: all.username && !(id && secret && url) ? all.username : undefined,
      verify: verify ?? true,
      logLevel
    }
  }
  const own = command !== ''
  const file = all.named_server_config as string | null
  if (file !== null && !isFile(file)) return { error: 'no such file' }
  const definitions = all.named_server_definitions as Pairs
  // The commands in generated lines need no shell to be split, or have one pair of quotes.
  const split = (text: string): string[] =>
    text.split(/ (?=(?:[^']*'[^']*')*[^']*$)/).map((word) => word.replaceAll("'", ''))
  return {
    mode: 'server',
    command: own ? command : undefined,
    args: own ? all.args : undefined,
    env: own ? Object.fromEntries(all.env as Pairs) : undefined,
    cwd: own ? all.cwd || undefined : undefined,
    passed: all.pass_environment,
    named:
      file === null
        ? Object.fromEntries(definitions.map(([name, text]) => [name, split(text)]))
        : { file: ['from-file'] },
    port: all.port,
    host: all.host,
    stateless: all.stateless,
    allowOrigins: all.allow_origin,
    exposeHeaders: ((all.expose_headers ?? ['Mcp-Session-Id']) as string[]).join(', '),
    logLevel
  }
}
