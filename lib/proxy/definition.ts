// The definition of a server: its configuration, checked and made into the options of an upstream. It
// starts no process yet. A digest tells whether two definitions of a server are the same.

import { hash } from 'node:crypto'
import type { ChildConfig, EraConfig, ServeConfig, ServerConfig } from '../config/config.ts'
import { withContext } from '../log.ts'
import type { Log } from '../log.ts'
import { connectChild } from '../stdio/connect-child.ts'
import { findCommand } from '../stdio/find-command.ts'
import { readProof } from './read-proof.ts'
import type { UpstreamOptions } from './upstream.ts'
import { urlConnector } from './url-connector.ts'

interface Named {
  /** The name of the server in URLs. */
  name: string
  /** The name of the server in `/status` and in the log. Each server has a different label. */
  label: string
  /** Differs if the configuration of the server differs. */
  digest: string
}

export interface Definition extends Named {
  options: UpstreamOptions
  /** The error if the command of the server is not found. */
  failure: Error | undefined
}

/** @throws ProxyError `ERR_CONFIG` if a file with a secret cannot be read */
export async function define(
  { server, ...named }: Named & { server: ServerConfig },
  config: ServeConfig,
  log: Log
): Promise<Definition> {
  const { name, label } = named
  const failure = server.kind === 'command' ? failureToFind(server) : undefined
  const connect =
    server.kind === 'url'
      ? await urlConnector(server, config, log)
      : () =>
          connectChild({
            ...server,
            ...config.limits,
            server: name,
            log: withContext(log, { server: label })
          })
  // Prewarm is only for found commands. A missing one cannot start. A server at a URL already
  // runs.
  const prewarm = failure === undefined && server.kind === 'command' ? config.prewarm : 0
  const options: UpstreamOptions = {
    ...config,
    ...erasOf(server),
    filters: [config.filter ?? {}, server],
    prewarm,
    name,
    label,
    connect,
    remote: server.kind === 'url',
    log
  }
  return { ...named, options, failure }
}

/** Returns the name of a server in `/status` and in the log. */
export function labelOf(name: string, config: ServeConfig): string {
  if (name === '') return 'default'
  if (name !== 'default' || config.default === undefined) return name
  let label = `servers/${name}`
  while (config.named.has(label)) label = `servers/${label}`
  return label
}

/**
 * Resolves to a digest of everything that makes the server, also the files with its secrets. The order
 * of names in an object does not count. The configuration may hold secrets, so it is hashed.
 */
export async function digestOf(label: string, server: ServerConfig): Promise<string> {
  const credentials = server.kind === 'url' ? server.credentials : undefined
  const isOAuth = credentials !== undefined && credentials.kind !== 'login'
  // A file that cannot be read is reported when the proxy needs its secret.
  const proof = isOAuth && (await readProof(credentials).catch(() => false))
  return hash('sha256', JSON.stringify([label, server, proof], inOrder))
}

const inOrder = (_name: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort())
    : value

/** Returns the settings that a server has in place of those of all servers. */
const erasOf = ({ era, translate }: ServerConfig): EraConfig => ({
  ...(era && { era }),
  ...(translate && { translate })
})

/** Returns the error if the command of a server is not found, and undefined if it is found. */
function failureToFind({ command, args, ...options }: ChildConfig): Error | undefined {
  try {
    findCommand(command, args, options)
    return undefined
  } catch (error) {
    return error as Error
  }
}
