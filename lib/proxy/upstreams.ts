// The upstreams of a configuration, by the names that clients ask for: '' is the default server. The
// command of each is looked up before the proxy listens, so that a wrong one is reported at the start.

import type { ChildConfig, ServeConfig, ServerConfig } from '../config/config.ts'
import { describe } from '../errors.ts'
import type { ServerState } from '../http-server/listener.ts'
import type { Log } from '../log.ts'
import { connectChild } from '../stdio/connect-child.ts'
import { findCommand } from '../stdio/find-command.ts'
import { Upstream } from './upstream.ts'
import { urlConnector } from './url-connector.ts'

/**
 * Makes the upstreams of a configuration. A command that is not found does not keep the others from
 * being served: its upstream is marked as failed, and the log gets a warning.
 *
 * @throws ProxyError `ERR_COMMAND_NOT_FOUND` when the command of every server is missing
 */
export async function openUpstreams(config: ServeConfig, log: Log): Promise<Upstreams> {
  const upstreams = new Map<string, Upstream>()
  const failures: unknown[] = []
  const servers: [string, ServerConfig][] = [...config.named]
  if (config.default !== undefined) servers.unshift(['', config.default])
  for (const [name, server] of servers) {
    const label = labelOf(name, config)
    const failure = server.kind === 'command' ? failureToFind(server) : undefined
    const connect =
      server.kind === 'url'
        ? await urlConnector(server, config, log)
        : () => connectChild({ ...server, ...config.limits, log: prefixed(log, label) })
    // Prewarm only commands that were found: a missing one cannot start, a server at a URL already runs.
    const prewarm = failure === undefined && server.kind === 'command' ? config.prewarm : 0
    const remote = server.kind === 'url'
    const upstream = new Upstream({ ...config, prewarm, label, connect, remote, log })
    upstreams.set(name, upstream)
    if (failure === undefined) continue
    failures.push(failure)
    upstream.state = 'failed'
  }
  if (failures.length === upstreams.size) throw failures[0]
  for (const failure of failures) log.warn(describe(failure))
  return new Upstreams(upstreams)
}

export class Upstreams {
  readonly #upstreams: Map<string, Upstream>

  /** Use `openUpstreams`. */
  constructor(upstreams: Map<string, Upstream>) {
    this.#upstreams = upstreams
  }

  /** Each name with its upstream, the default server first. */
  get all(): [string, Upstream][] {
    return [...this.#upstreams]
  }

  /** @param name one of the names in `all` */
  get(name: string): Upstream {
    return this.#upstreams.get(name) as Upstream
  }

  /** The state of each server by its label. */
  get states(): Record<string, ServerState> {
    const upstreams = [...this.#upstreams.values()]
    return Object.fromEntries(upstreams.map(({ label, state }) => [label, state]))
  }

  /** Ends all processes. Resolves when they have exited. */
  async destroy(): Promise<void> {
    const upstreams = [...this.#upstreams.values()]
    await Promise.all(upstreams.map((upstream) => upstream.destroy()))
  }
}

/** The name of a server in `/status` and in the log. No other server has the same. */
function labelOf(name: string, config: ServeConfig): string {
  if (name === '') return 'default'
  if (name !== 'default' || config.default === undefined) return name
  let label = `servers/${name}`
  while (config.named.has(label)) label = `servers/${label}`
  return label
}

/** Why the command of a server is not found; undefined if it is. */
function failureToFind({ command, args, ...options }: ChildConfig): unknown {
  try {
    findCommand(command, args, options)
    return undefined
  } catch (error) {
    return error
  }
}

/** A log that puts the server's label before each message. */
function prefixed(log: Log, label: string): Log {
  const at = (level: keyof Log) => (message: string) => log[level](`${label}: ${message}`)
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
