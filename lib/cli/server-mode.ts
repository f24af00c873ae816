// Runs server mode: listens on HTTP and joins each client to the server that the client asks for.
// At start it logs the URLs of the servers and an example of their use.

import type { Duplex } from 'node:stream'
import type { Config, ServeConfig } from '../config/config.ts'
import { codeOf, describe, isAbort, ProxyError } from '../errors.ts'
import type { ClientContext, Serve } from '../http-server/client-context.ts'
import { exposureOf } from '../http-server/auth/exposure.ts'
import { listen } from '../http-server/listener.ts'
import type { Listener } from '../http-server/listener.ts'
import type { LineFile } from '../line-file.ts'
import type { Log, LogContext } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { jsonRpcVersion } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { latestLegacy } from '../protocol/revisions.ts'
import { labelOf } from '../proxy/definition.ts'
import { join, joinPort } from '../proxy/join.ts'
import type { Upstream } from '../proxy/upstream.ts'
import { openUpstreams } from '../proxy/upstreams.ts'
import type { Upstreams } from '../proxy/upstreams.ts'
import { openAuth } from './open-auth.ts'
import type { Tls } from '../http-server/open-server.ts'
import { readTls } from './service/read-tls.ts'
import { openService } from './service/service.ts'
import type { Service } from './service/service.ts'
import { onHangup, onStop } from './signals.ts'
import { openWatchers } from './watchers/open-watchers.ts'
import type { Watchers } from './watchers/open-watchers.ts'

/** The longest delay that a Node timer accepts, in ms (about 24 days). */
const longestTimeout = 2 ** 31 - 1

/**
 * Serves clients until a signal stops the process. Resolves when all servers have exited.
 *
 * @param readAgain makes the configuration again, for a reload
 */
export async function runServer(
  config: ServeConfig,
  log: Log,
  readAgain: () => Promise<Config>,
  logFile?: LineFile
): Promise<void> {
  const auth = openAuth(config, log)
  const tls = readTls(config)
  const service = await openService(config, log)
  const serving: Serving = { upstreams: { all: [], states: {} } }
  const watchers = await openWatchers(config, {
    labelOf: (name) => labelOf(name, config),
    serverStates: () => serving.upstreams.states,
    queues: () => ({ ...(serving.listener && { bodies: serving.listener.bodyMemory }) }),
    endpoints: () => ({ urls: urlsOf(serving), needsToken: auth !== undefined }),
    log,
    logFile
  })
  let stop!: () => void
  const stopped = new Promise<void>((resolve) => (stop = resolve))
  // This comes before the first server starts, so that a signal never leaves a server behind. It ends
  // after the watchers, so that no signal cuts off what they still write.
  const release = onStop(
    (again) => {
      log.info(again ? 'stopping at once' : 'stopping (a second signal stops at once)')
      stop()
      service.stop()
      if (again) void serving.listener?.close(0)
    },
    onHangup(...watchers.files, service.reloads)
  )
  try {
    await serve(config, serving, { auth, tls, service, watchers, stopped, readAgain, log })
  } finally {
    await watchers.close()
    release()
  }
}

/** What server mode has opened so far. */
interface Serving {
  /** Empty at first. */
  upstreams: Pick<Upstreams, 'all' | 'states'>
  listener?: Listener
}

interface Parts {
  auth: ReturnType<typeof openAuth>
  tls: Tls | undefined
  service: Service
  watchers: Watchers
  /** Resolves at the first signal to stop. */
  stopped: Promise<void>
  readAgain: () => Promise<Config>
  log: Log
}

/** Opens the servers and the listener, and closes them after the first signal to stop. */
async function serve(
  config: ServeConfig,
  serving: Serving,
  { auth, tls, service, watchers, stopped, readAgain, log }: Parts
): Promise<void> {
  const { limits } = config
  const { audit, metricsPage, trace } = watchers
  const upstreams = await openUpstreams(config, log)
  serving.upstreams = upstreams
  let ended: Promise<void> | undefined
  /** How many processes of closed sessions have not exited yet. */
  let exiting = 0
  const endServers = (): Promise<void> => atMost(limits.closeTimeout, upstreams.destroy())

  const serveDirectly: Serve = (exchange, context) => {
    const { server: name, kind, principal } = context
    const upstream = upstreams.find(name, exchange.request)
    const server = upstream?.sharedFor(exchange.request, kind, principal)
    if (upstream === undefined || server === undefined) return false
    const about = detailsOf(upstream, context)
    log.debug('opened', about)
    server.serve(exchange, (error) => {
      if (error !== undefined) logFailure(error, about, log)
      log.debug('ended', about)
    })
    return true
  }

  const onClient = (client: Duplex, context: ClientContext, message?: Frame): void => {
    const { server: name, kind, principal } = context
    const upstream = upstreams.get(name, message)
    const about = detailsOf(upstream, context)
    log.debug('opened', about)
    const joinTo = (server: Duplex): void => {
      // This listens on the server only, because `join` destroys the server with the error when
      // either side fails.
      server.once('error', (error) => logFailure(error, about, log))
      const isPort = kind !== 'session' || config.shared
      if (!isPort) {
        client.once('close', () => {
          if (server.closed) return
          exiting++
          server.once('close', () => exiting--)
        })
      }
      if (isPort) {
        client.once('close', () => log.debug('ended', about))
        return joinPort(client, server)
      }
      join(client, server).then(
        () => log.debug('ended', about),
        () => {}
      )
    }
    const server = upstream.connect(kind, principal)
    if (!(server instanceof Promise)) return joinTo(server)
    // The server is not ready. The client may disconnect meanwhile.
    const use = (server: Duplex): void => {
      if (client.destroyed) server.destroy()
      else joinTo(server)
    }
    server
      .then(use, (error: Error) => {
        logFailure(error, about, log)
        client.on('error', () => {}).destroy(error)
      })
      .catch((error: unknown) => logFailure(error, about, log))
  }

  try {
    const listener = await listen(
      {
        ...config,
        ...limits,
        tls,
        auth,
        servers: upstreams.all.map(([name]) => name),
        serverStates: () => upstreams.states,
        exiting: () => exiting,
        holdsCalls: (server) => upstreams.hasHeld(server),
        refusal: () =>
          config.auditRequired && audit?.isWritable === false ? withoutAudit() : undefined,
        metrics: metricsPage,
        trace,
        serve: serveDirectly,
        mirroredParams: (name, tool, call) => upstreams.get(name, call).paramsOf(tool, call),
        log
      },
      onClient
    )
    serving.listener = listener
    const warning = exposureOf(config.host, config.allowOrigins)
    if (auth === undefined && warning !== undefined) log.warn(warning)
    announce(listener, upstreams, config, log)
    // An issuer that cannot be reached is reported now, and not only when a client comes.
    if (auth !== undefined && 'prepare' in auth) void auth.prepare()
    service.start({ readAgain, listener, upstreams, auth, tls })
    await stopped
    upstreams.drain()
    listener.once('drained', () => {
      ended = endServers()
    })
    await listener.close(limits.drainTimeout || longestTimeout)
  } finally {
    service.stop()
    await (ended ?? endServers())
  }
}

/** What log lines about a client say about it. */
const detailsOf = ({ label }: Upstream, { session, principal }: ClientContext): LogContext => ({
  server: label,
  session: session.slice(0, 8),
  principal
})

function logFailure(error: unknown, about: LogContext, log: Log): void {
  // A client that knows the modern and the legacy revisions tries the modern one first. It then
  // falls back when a legacy server refuses, so this error is expected.
  const isExpected = error instanceof ProxyError && error.code === 'ERR_LEGACY_SERVER'
  if (isAbort(error) || isExpected) log.debug('closed', about)
  else log.error(describe(error), { ...about, code: codeOf(error) })
}

const withoutAudit = (): ProxyError =>
  new ProxyError('ERR_AUDIT', 'the audit log cannot be written (see --audit-required)')

/** Resolves when `promise` resolves, and after `time` ms at the latest (0: no limit). */
async function atMost(time: number, promise: Promise<void>): Promise<void> {
  if (time === 0) return promise
  let timer: NodeJS.Timeout | undefined
  const timeUp = new Promise<void>((resolve) => (timer = setTimeout(resolve, time)))
  await Promise.race([promise, timeUp])
  clearTimeout(timer)
}

/** Returns the URL of each server over Streamable HTTP. */
function urlsOf({ listener, upstreams }: Serving): Record<string, string> {
  const urls = upstreams.all.map(([name]) => [name, listener?.urlsOf(name).mcp])
  return Object.fromEntries(urls) as Record<string, string>
}

/**
 * Logs the URLs of all servers. For the first server that can start, it also logs a client
 * configuration and a curl command.
 */
function announce(
  listener: Listener,
  upstreams: Upstreams,
  { auth, publicUrl }: ServeConfig,
  log: Log
): void {
  log.info('Serving MCP servers over Streamable HTTP and HTTP+SSE:')
  for (const [name, { label, state }] of upstreams.all) {
    const { mcp, sse } = listener.urlsOf(name)
    const note = state === 'failed' ? ' (cannot start)' : ''
    log.info(`  - ${label}: ${mcp} and ${sse}${note}`)
  }
  // At least one server is usable, because `openUpstreams` throws if all servers have failed.
  const usable = upstreams.all.find(([, { state }]) => state !== 'failed') as [string, Upstream]
  const [name] = usable
  const own = new URL(listener.urlsOf(name).mcp)
  const url = publicUrl === undefined ? own.href : new URL(own.pathname, publicUrl).href
  // A client of an issuer finds out by itself where to get a token.
  const needsHeader = auth !== undefined && auth.issuer === undefined
  const headers = { Authorization: 'Bearer TOKEN' }
  const mcpServers = { [name || 'default']: { type: 'http', url, ...(needsHeader && { headers }) } }
  log.info(`client config: ${JSON.stringify({ mcpServers })}`)
  log.info(`try it: ${curlLine(url, auth !== undefined)}`)
}

function curlLine(url: string, needsToken: boolean): string {
  const params = {
    protocolVersion: latestLegacy,
    capabilities: {},
    clientInfo: { name: 'curl', version: '0' }
  }
  const message = JSON.stringify({
    jsonrpc: jsonRpcVersion,
    id: 1,
    method: methods.initialize,
    params
  })
  const token = needsToken ? " -H 'Authorization: Bearer TOKEN'" : ''
  return `curl ${url}${token} -H 'Content-Type: application/json' -d '${message}'`
}
