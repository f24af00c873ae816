// Command lines made into configurations, for the tests.

import type { Test } from 'tap'
import { parseArguments } from '../../lib/cli/arguments/parse-arguments.ts'
import type { ClientConfig, ClientLimits, ServeConfig } from '../../lib/config/config.ts'
import { limits } from '../../lib/limits.ts'

/** The environment of the command. */
export const around = { PATH: '/bin', SECRET: 'hidden' }

export const sse = 'http://localhost:8080/sse'

export const fetchServer = {
  kind: 'command',
  command: 'uvx',
  args: ['mcp-server-fetch'],
  env: { PATH: '/bin' }
} as const

const { maxMessage, connectTimeout, closeTimeout, drainTimeout } = limits
const { maxRounds, inputTimeout, maxConnections, maxGroupConnections, loginTimeout } = limits
export const clientLimits: ClientLimits = {
  maxMessage,
  connectTimeout,
  closeTimeout,
  drainTimeout,
  maxRounds,
  inputTimeout,
  maxConnections,
  maxGroupConnections,
  loginTimeout
}

export async function client(
  argv: string[],
  env: NodeJS.ProcessEnv = around
): Promise<ClientConfig> {
  const config = await parseArguments(argv, env, 'linux')
  if (config.mode !== 'client') throw new Error(`is ${config.mode} mode`)
  return config
}

export async function server(
  argv: string[],
  env: NodeJS.ProcessEnv = around
): Promise<ServeConfig> {
  const config = await parseArguments(argv, env, 'linux')
  if (config.mode !== 'server') throw new Error(`is ${config.mode} mode`)
  return config
}

/** The command line is a usage error with this message, in one line and without a secret. */
export async function mistake(
  t: Test,
  argv: string[],
  message: string | RegExp,
  env: NodeJS.ProcessEnv = around
): Promise<void> {
  const line = argv.join(' ')
  const error = await parseArguments(argv, env, 'linux').then(
    () => undefined,
    (error: Error) => error
  )
  t.match(error, { code: 'ERR_USAGE', message }, line)
  t.notMatch(error?.message, /\n|hidden/, `${line}: one line, and no secret`)
}
