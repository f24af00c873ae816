// Server mode: listens on HTTP, and joins each client that comes to a server of its own.

import { readFileSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import type { ChildConfig, ServeConfig, ServerConfig } from '../config/config.ts'
import { describe, isAbort, ProxyError } from '../errors.ts'
import type { ClientContext } from '../http-server/client-context.ts'
import { listen } from '../http-server/listener.ts'
import type { Listener, ServerState } from '../http-server/listener.ts'
import type { Log } from '../log.ts'
import { methods } from '../protocol/methods.ts'
import { latestLegacy } from '../protocol/revisions.ts'
import { urlConnector } from '../proxy/connect-server.ts'
import { join, joinPort } from '../proxy/join.ts'
import { Upstream } from '../proxy/upstream.ts'
import { connectChild } from '../stdio/connect-child.ts'
import { findCommand } from '../stdio/find-command.ts'
import { openRecorder } from './recorder.ts'
import { onStop } from './signals.ts'

/** The longest that a timer can be set for, in milliseconds: 24 days. */
const forever = 2 ** 31 - 1

/** Serves until the process is told to stop, and resolves when nothing of it is left. */
export async function runServer(config: ServeConfig, log: Log): Promise<void> {
  const { limits } = config
  const recorder = await openRecorder(config.record)
  const upstreams = await openUpstreams(config, log)

  const onClient = (client: Duplex, { server: name, session, kind }: ClientContext): void => {
    const upstream = upstreams.get(name) as Upstream
    const about = (): string => `${upstream.label}, session ${session.slice(0, 8)}`
    const tell = (error: unknown): void => {
      // A client of both eras asks for the modern one first, and understands the refusal.
      const isExpected = error instanceof ProxyError && error.code === 'ERR_LEGACY_SERVER'
      if (isAbort(error) || isExpected) log.debug(`${about()}: closed`)
      else log.error(`${about()}: ${describe(error)}`)
    }
    log.debug(`${about()}: opened`)
    // What fails either end fails the server. It may do so when the client, who knows by then that there
    // is no server, has left.
    const server = upstream.connect(kind).once('error', tell)
    const shares = kind !== 'session' || config.shared
    if (shares && recorder === undefined) {
      client.once('close', () => log.debug(`${about()}: ended`))
      return joinPort(client, server)
    }
    join(client, server, recorder?.tap(session)).then(
      () => log.debug(`${about()}: ended`),
      () => {}
    )
  }

  try {
    const listener = await listen(
      {
        ...config,
        ...limits,
        tls: readTls(config),
        servers: [...upstreams.keys()],
        serverStates: () => statesOf(upstreams),
        mirroredParams: (name, tool) => (upstreams.get(name) as Upstream).paramsOf(tool),
        log
      },
      onClient
    )
    await new Promise<void>((resolve, reject) => {
      const release = onStop((again) => {
        log.info(again ? 'stopping at once' : 'stopping (ask again to stop at once)')
        listener.close(again ? 0 : limits.drainTimeout || forever).then(resolve, reject)
      })
      listener.once('close', release)
      announce(listener, upstreams, log)
    })
  } finally {
    await Promise.all([...upstreams.values()].map((upstream) => upstream.destroy()))
    await recorder?.close()
  }
}

async function openUpstreams(config: ServeConfig, log: Log): Promise<Map<string, Upstream>> {
  const upstreams = new Map<string, Upstream>()
  const failures: unknown[] = []
  const servers: [string, ServerConfig][] = [...config.named]
  if (config.default !== undefined) servers.unshift(['', config.default])
  for (const [name, server] of servers) {
    const label = name === '' ? 'default' : name
    const failure = server.kind === 'command' ? failureToFind(server) : undefined
    const connect =
      server.kind === 'url'
        ? await urlConnector(server, config, log)
        : () => connectChild({ ...server, ...config.limits, log: prefixed(log, label) })
    // What cannot be started, or is there already, is not started ahead.
    const ahead = failure === undefined && server.kind === 'command' ? config.prewarm : 0
    const upstream = new Upstream({ ...config, prewarm: ahead, label, connect, log })
    upstreams.set(name, upstream)
    if (failure === undefined) continue
    failures.push(failure)
    upstream.state = 'failed'
  }
  // One that cannot start is no reason for the others not to.
  if (failures.length === upstreams.size) throw failures[0]
  for (const failure of failures) log.warn(describe(failure))
  return upstreams
}

function failureToFind({ command, args, ...options }: ChildConfig): unknown {
  try {
    findCommand(command, args, options)
    return undefined
  } catch (error) {
    return error
  }
}

// What servers print is told under their names.
function prefixed(log: Log, label: string): Log {
  const of = (level: keyof Log) => (message: string) => log[level](`${label}: ${message}`)
  return { debug: of('debug'), info: of('info'), warn: of('warn'), error: of('error') }
}

function statesOf(upstreams: Map<string, Upstream>): Record<string, ServerState> {
  return Object.fromEntries([...upstreams.values()].map(({ label, state }) => [label, state]))
}

function readTls({ tls }: ServeConfig): { cert: Buffer; key: Buffer } | undefined {
  if (tls === undefined) return undefined
  return { cert: readPem('--tls-cert', tls.cert), key: readPem('--tls-key', tls.key) }
}

function readPem(flag: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new ProxyError('ERR_CONFIG', `${flag}: cannot read ${file}`, { cause })
  }
}

// What a person needs next: the URLs, what to paste into a client, and a first request to try.
function announce(listener: Listener, upstreams: Map<string, Upstream>, log: Log): void {
  log.info('Serving MCP servers over Streamable HTTP and HTTP+SSE:')
  for (const [name, { label }] of upstreams) {
    const { mcp, sse } = listener.urlsOf(name)
    log.info(`  - ${label}: ${mcp} and ${sse}`)
  }
  const [[name, { label }]] = [...upstreams] as [[string, Upstream]]
  const url = listener.urlsOf(name).mcp
  log.info(`client config: ${JSON.stringify({ mcpServers: { [label]: { type: 'http', url } } })}`)
  log.info(`try it: ${curlLine(url)}`)
}

function curlLine(url: string): string {
  const params = {
    protocolVersion: latestLegacy,
    capabilities: {},
    clientInfo: { name: 'curl', version: '0' }
  }
  const message = JSON.stringify({ jsonrpc: '2.0', id: 1, method: methods.initialize, params })
  return `curl ${url} -H 'Content-Type: application/json' -d '${message}'`
}
