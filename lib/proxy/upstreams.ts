// The upstreams (servers) of a configuration. Clients ask for an upstream by its name. The name ''
// is the default server. The proxy looks for all commands before it listens, so that it reports a
// wrong command at its start.
//
// A new configuration replaces the upstreams that are not in it any more, or are another there. Each
// client keeps the upstream that it has. So a replaced upstream goes on until its last client has
// ended, and the others do not notice. A call that waits for the answers of its client, between two
// requests, counts as such a client: the request that continues it goes to the replaced upstream.

import type { ServeConfig, ServerConfig } from '../config/config.ts'
import { describe, ProxyError } from '../errors.ts'
import type { ServerState } from '../http-server/status-endpoint.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { quote } from '../text.ts'
import { define, digestOf, labelOf } from './definition.ts'
import type { Definition } from './definition.ts'
import { Upstream } from './upstream.ts'

/** What is different in a new configuration. */
export interface Change {
  /** The labels of the servers. */
  added: string[]
  changed: string[]
  removed: string[]
  /** The names of all servers of the new configuration. */
  names: string[]
  /** The names of the servers that are removed or changed. */
  ended: string[]
  /**
   * Makes the change: new clients then get the new upstreams.
   *
   * @returns a function that ends the replaced upstreams. Call it when their clients have ended
   */
  apply: () => () => Promise<void>
}

interface Entry {
  upstream: Upstream
  /** Differs if the definition of the server differs. */
  digest: string
}

/**
 * Makes the upstreams of a configuration. If a command is not found, its upstream gets the state
 * `failed` and the log gets a warning. The proxy still serves the other upstreams.
 *
 * @throws ProxyError `ERR_COMMAND_NOT_FOUND` when the command of every server is missing. The
 * message names all of them
 */
export async function openUpstreams(config: ServeConfig, log: Log): Promise<Upstreams> {
  const definitions = await Promise.all(
    serversOf(config).map(async ([name, server]) => {
      const label = labelOf(name, config)
      return define({ name, label, server, digest: await digestOf(label, server) }, config, log)
    })
  )
  const lines = definitions.flatMap(({ label, failure }) =>
    failure === undefined ? [] : [`${label}: ${describe(failure)}`]
  )
  if (lines.length === definitions.length) {
    // Without named servers there is only one server, so the error needs no label.
    if (config.named.size === 0) throw (definitions[0] as Definition).failure as Error
    throw new ProxyError('ERR_COMMAND_NOT_FOUND', lines.join('; '))
  }
  const upstreams = new Upstreams(new Map(definitions.map(toEntry)), log)
  for (const line of lines) log.warn(line)
  return upstreams
}

export class Upstreams {
  #entries: Map<string, Entry>
  /** The upstreams that were replaced and have not ended, with their names. */
  readonly #replaced = new Map<Upstream, string>()
  readonly #log: Log

  /** Don't call this. Call `openUpstreams`. */
  constructor(entries: Map<string, Entry>, log: Log) {
    this.#entries = entries
    this.#log = log
  }

  /** Pairs of name and upstream. The default server comes first. */
  get all(): [string, Upstream][] {
    return [...this.#entries].map(([name, { upstream }]) => [name, upstream])
  }

  /**
   * @param request the request of a client without a session: it may continue a call of an upstream
   * that was replaced
   * @throws ProxyError `ERR_NOT_FOUND` if the server was removed while its client came
   */
  get(name: string, request?: Frame): Upstream {
    const upstream = this.find(name, request)
    if (upstream !== undefined) return upstream
    throw new ProxyError('ERR_NOT_FOUND', `there is no server ${quote(name)}`)
  }

  /** The same. Returns undefined if there is no such server. */
  find(name: string, request?: Frame): Upstream | undefined {
    if (request !== undefined && this.#replaced.size > 0) {
      for (const upstream of this.#replacedAs(name)) if (upstream.holds(request)) return upstream
    }
    return this.#entries.get(name)?.upstream
  }

  /** Whether a call waits for its client at an upstream that was replaced. */
  hasHeld(name: string): boolean {
    return this.#replacedAs(name).some(({ hasHeld }) => hasHeld)
  }

  #replacedAs(name: string): Upstream[] {
    return [...this.#replaced].flatMap(([upstream, its]) => (its === name ? upstream : []))
  }

  /** The state of each server. The key is the server's label. */
  get states(): Record<string, ServerState> {
    return Object.fromEntries(this.all.map(([, { label, state }]) => [label, state]))
  }

  /**
   * Finds out what a new configuration changes. This changes nothing yet.
   *
   * @throws ProxyError if a new server cannot start: its command is not found, or a file with a
   * secret cannot be read. The message has the label of the server
   */
  async prepare(config: ServeConfig): Promise<Change> {
    const entries = new Map<string, Entry | Definition>()
    const added: string[] = []
    const changed: string[] = []
    for (const [name, server] of serversOf(config)) {
      const label = labelOf(name, config)
      const before = this.#entries.get(name)
      try {
        const digest = await digestOf(label, server)
        if (before?.digest === digest) {
          entries.set(name, before)
          continue
        }
        const definition = await define({ name, label, server, digest }, config, this.#log)
        if (definition.failure !== undefined) throw definition.failure
        entries.set(name, definition)
      } catch (cause) {
        throw new ProxyError('ERR_CONFIG', label, { cause })
      }
      if (before === undefined) added.push(label)
      else changed.push(label)
    }
    const gone = [...this.#entries].filter(([name, entry]) => entries.get(name) !== entry)
    const removed = gone.flatMap(([name, { upstream }]) =>
      entries.has(name) ? [] : [upstream.label]
    )
    const apply = (): (() => Promise<void>) => {
      this.#entries = new Map(
        [...entries].map(([name, one]) => ('upstream' in one ? [name, one] : toEntry(one)))
      )
      return this.#replace(gone)
    }
    const ended = gone.map(([name]) => name)
    return { added, changed, removed, names: [...entries.keys()], ended, apply }
  }

  /** Ends each process as soon as no client uses it. */
  drain(): void {
    for (const [, upstream] of this.all) upstream.drain()
    for (const upstream of this.#replaced.keys()) upstream.drain()
  }

  /** Ends all processes of all servers. Resolves when the processes have exited. */
  async destroy(): Promise<void> {
    const upstreams = [...this.all.map(([, upstream]) => upstream), ...this.#replaced.keys()]
    await Promise.all(upstreams.map((upstream) => upstream.destroy()))
  }

  #replace(gone: [name: string, entry: Entry][]): () => Promise<void> {
    for (const [name, { upstream }] of gone) {
      this.#replaced.set(upstream, name)
      upstream.stopPrewarm()
    }
    const end = async (upstream: Upstream): Promise<void> => {
      await upstream.callsEnd()
      await upstream.destroy()
      this.#replaced.delete(upstream)
    }
    return async () => {
      await Promise.all(gone.map(([, { upstream }]) => end(upstream)))
    }
  }
}

function serversOf(config: ServeConfig): [name: string, server: ServerConfig][] {
  const own: [string, ServerConfig][] = config.default === undefined ? [] : [['', config.default]]
  return [...own, ...config.named]
}

function toEntry({ name, digest, options, failure }: Definition): [string, Entry] {
  const upstream = new Upstream(options)
  if (failure !== undefined) upstream.state = 'failed'
  return [name, { upstream, digest }]
}
