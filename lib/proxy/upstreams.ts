// The upstreams (servers) of a configuration. Clients ask for an upstream by its name. The name ''
// is the default server. The proxy looks for all commands before it listens, so that it reports a
// wrong command at its start.

import type { ChildConfig, EraConfig, ServeConfig, ServerConfig } from '../config/config.ts'
import { describe, ProxyError } from '../errors.ts'
import type { ServerState } from '../http-server/listener.ts'
import { withContext } from '../log.ts'
import type { Log } from '../log.ts'
import { connectChild } from '../stdio/connect-child.ts'
import { findCommand } from '../stdio/find-command.ts'
import { Upstream } from './upstream.ts'
import { urlConnector } from './url-connector.ts'

/**
 * Makes the upstreams of a configuration. If a command is not found, its upstream gets the state
 * `failed` and the log gets a warning. The proxy still serves the other upstreams.
 *
 * @throws ProxyError `ERR_COMMAND_NOT_FOUND` when the command of every server is missing. The
 * message names all of them
 */
export async function openUpstreams(config: ServeConfig, log: Log): Promise<Upstreams> {
  const upstreams = new Map<string, Upstream>()
  const failures: [label: string, failure: unknown][] = []
  const servers: [string, ServerConfig][] = [...config.named]
  if (config.default !== undefined) servers.unshift(['', config.default])
  for (const [name, server] of servers) {
    const label = labelOf(name, config)
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
    const remote = server.kind === 'url'
    const upstream = new Upstream({
      ...config,
      ...erasOf(server),
      filters: [config.filter ?? {}, server],
      prewarm,
      name,
      label,
      connect,
      remote,
      log
    })
    upstreams.set(name, upstream)
    if (failure === undefined) continue
    failures.push([label, failure])
    upstream.state = 'failed'
  }
  const lines = failures.map(([label, failure]) => `${label}: ${describe(failure)}`)
  if (failures.length === upstreams.size) {
    // Without named servers there is only one server, so the error needs no label.
    if (config.named.size === 0) throw failures[0]?.[1]
    throw new ProxyError('ERR_COMMAND_NOT_FOUND', lines.join('; '))
  }
  for (const line of lines) log.warn(line)
  return new Upstreams(upstreams)
}

export class Upstreams {
  readonly #upstreams: Map<string, Upstream>

  /** Don't call this. Call `openUpstreams`. */
  constructor(upstreams: Map<string, Upstream>) {
    this.#upstreams = upstreams
  }

  /** Pairs of name and upstream. The default server comes first. */
  get all(): [string, Upstream][] {
    return [...this.#upstreams]
  }

  /** @param name one of the names in `all` */
  get(name: string): Upstream {
    return this.#upstreams.get(name) as Upstream
  }

  /** The state of each server. The key is the server's label. */
  get states(): Record<string, ServerState> {
    const upstreams = [...this.#upstreams.values()]
    return Object.fromEntries(upstreams.map(({ label, state }) => [label, state]))
  }

  /** Ends each process as soon as no client uses it. */
  drain(): void {
    for (const upstream of this.#upstreams.values()) upstream.drain()
  }

  /** Ends all processes of all servers. Resolves when the processes have exited. */
  async destroy(): Promise<void> {
    const upstreams = [...this.#upstreams.values()]
    await Promise.all(upstreams.map((upstream) => upstream.destroy()))
  }
}

/** Returns the name of a server in `/status` and in the log. Each server has a different label. */
function labelOf(name: string, config: ServeConfig): string {
  if (name === '') return 'default'
  if (name !== 'default' || config.default === undefined) return name
  let label = `servers/${name}`
  while (config.named.has(label)) label = `servers/${label}`
  return label
}

/** Returns the settings that a server has in place of those of all servers. */
const erasOf = ({ era, translate }: ServerConfig): EraConfig => ({
  ...(era && { era }),
  ...(translate && { translate })
})

/** Returns the error if the command of a server is not found, and undefined if it is found. */
function failureToFind({ command, args, ...options }: ChildConfig): unknown {
  try {
    findCommand(command, args, options)
    return undefined
  } catch (error) {
    return error
  }
}
