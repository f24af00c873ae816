// Server mode: listens on HTTP, and joins each client that comes to a server of its own.

import { readFileSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { childConnector, urlConnector } from '../config/connect.ts'
import type { ServeConfig, ServerConfig } from '../config/types.ts'
import { ProxyError, describe, isAbort } from '../errors.ts'
import { listen } from '../http/listener.ts'
import type { Arrival, Listener, ServerState } from '../http/listener.ts'
import { join } from '../join.ts'
import type { Log } from '../log.ts'
import { latestLegacy } from '../protocol.ts'
import { findCommand } from '../transports/command.ts'
import { initialized } from '../wrappers/initialized.ts'
import { prewarm } from '../wrappers/prewarm.ts'
import { reconnect } from '../wrappers/reconnect.ts'
import { openRecorder } from './recorder.ts'
import { onStop } from './signals.ts'

/** A server that clients can ask for. */
interface Target {
  /** As it is called in `/status`. */
  label: string
  state: ServerState
  connect: () => Duplex
  /** Ends the processes that were started ahead. */
  destroy(): Promise<void>
}

/** Serves until the process is told to stop, and resolves when nothing of it is left. */
export async function runServer(config: ServeConfig, log: Log): Promise<void> {
  const { limits } = config
  const targets = await openTargets(config, log)
  const recorder = await openRecorder(config.record)
  const open = new Set<Promise<void>>()

  const onClient = (client: Duplex, { server: name, session, uninitialized }: Arrival): void => {
    const target = targets.get(name) as Target
    const about = `${target.label}, session ${session.slice(0, 8)}`
    const connected = reconnect(target.connect, { ...limits, log })
    const server = uninitialized ? initialized(connected, limits) : connected
    let works = false
    connected.once('open', () => {
      works = true
      target.state = 'configured'
    })
    log.debug(`${about}: opened`)
    const gone = closed(connected).then(() => void open.delete(gone))
    open.add(gone)
    join(client, server, recorder?.tap(session)).then(
      () => log.debug(`${about}: ended`),
      (error: unknown) => {
        if (isAbort(error)) return log.debug(`${about}: closed`)
        if (!works) target.state = 'failed'
        log.error(`${about}: ${describe(error)}`)
      }
    )
  }

  let listener: Listener
  try {
    listener = await listen(
      {
        ...config,
        ...limits,
        tls: readTls(config),
        servers: [...targets.keys()],
        serverStates: () => statesOf(targets),
        log
      },
      onClient
    )
  } catch (error) {
    await Promise.all([...targets.values()].map((target) => target.destroy()))
    throw error
  }
  announce(listener, targets, log)
  await new Promise<void>((resolve, reject) => {
    const release = onStop((again) => {
      log.info(again ? 'stopping at once' : 'stopping (ask again to stop at once)')
      listener.close(again ? 0 : limits.drainTimeout).then(resolve, reject)
    })
    listener.once('close', release)
  })
  await Promise.all([...open, ...[...targets.values()].map((target) => target.destroy())])
  await recorder?.close()
}

async function openTargets(config: ServeConfig, log: Log): Promise<Map<string, Target>> {
  const targets = new Map<string, Target>()
  const failures: ProxyError[] = []
  const servers: [string, ServerConfig][] = [...config.named]
  if (config.default !== undefined) servers.unshift(['', config.default])
  for (const [name, server] of servers) {
    const target = await openTarget(name === '' ? 'default' : name, server, config, log)
    targets.set(name, target)
    if (target.failure !== undefined) failures.push(target.failure)
  }
  // One that cannot start is no reason for the others not to.
  const [first] = failures
  if (first !== undefined && failures.length === targets.size) throw first
  for (const failure of failures) log.warn(describe(failure))
  return targets
}

async function openTarget(
  label: string,
  server: ServerConfig,
  config: ServeConfig,
  log: Log
): Promise<Target & { failure?: ProxyError }> {
  const nothing = { state: 'configured' as ServerState, destroy: () => Promise.resolve() }
  if (server.kind === 'url') {
    return { ...nothing, label, connect: await urlConnector(server, config, log) }
  }
  const connect = childConnector(server, config, prefixed(log, label))
  try {
    findCommand(server.command, server.args, server)
  } catch (error) {
    return { ...nothing, label, connect, state: 'failed', failure: error as ProxyError }
  }
  if (config.prewarm === 0) return { ...nothing, label, connect }
  return { ...nothing, label, ...prewarm(connect, config.prewarm) }
}

// What servers print is told under their names.
function prefixed(log: Log, label: string): Log {
  const of = (level: keyof Log) => (message: string) => log[level](`${label}: ${message}`)
  return { debug: of('debug'), info: of('info'), warn: of('warn'), error: of('error') }
}

function statesOf(targets: Map<string, Target>): Record<string, ServerState> {
  return Object.fromEntries([...targets.values()].map(({ label, state }) => [label, state]))
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

const closed = (stream: Duplex): Promise<void> =>
  new Promise((resolve) => stream.once('close', resolve))

// What a person needs next: the URLs, what to paste into a client, and a first request to try.
function announce(listener: Listener, targets: Map<string, Target>, log: Log): void {
  log.info('Serving MCP servers over Streamable HTTP and HTTP+SSE:')
  for (const [name, { label }] of targets) {
    const { mcp, sse } = listener.urlsOf(name)
    log.info(`  - ${label}: ${mcp} and ${sse}`)
  }
  const [[name, { label }]] = [...targets] as [[string, Target]]
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
  const message = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })
  return `curl ${url} -H 'Content-Type: application/json' -d '${message}'`
}
