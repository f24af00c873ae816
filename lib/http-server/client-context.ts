// The types that the HTTP listener shares with its caller, which joins clients to servers. The caller
// gives it `ListenerOptions`. The listener gives the caller a client transport and a `ClientContext`. The
// listener asks the caller which parameters of a tool clients repeat in HTTP headers.
//
// A `RequestContext` is different: it holds one HTTP request, and only `http-server` uses it.

import type { Duplex } from 'node:stream'
import type { ProxyError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import type { Trace } from '../message/trace-context.ts'
import type { MirroredParam } from '../protocol/mirrored-headers.ts'
import type { Exchange } from '../streams/exchange.ts'
import type { Auth } from './auth/auth.ts'
import type { CallerOptions } from './callers/callers.ts'
import type { Tls } from './open-server.ts'
import type { OriginPolicyOptions } from './origin-policy.ts'
import type { MetricsPage, ServerStates } from './status-endpoint.ts'

/** The facts about a client that the listener passes on together with the client's transport. */
export interface ClientContext {
  /** The name of the server in the client's URL: `''` is the default server. */
  server: string
  /** The id of the client. It is unique among the clients of this listener. */
  session: string
  kind: ClientKind
  /** The principal of the client's token. `undefined` if the listener asks for no token. */
  principal?: string | undefined
  /** The address of the client, as a trusted proxy gives it or as the connection has it. */
  address?: string | undefined
}

/**
 * How the client uses the server.
 *
 * - `session`: the client opens a session with `initialize`.
 * - `stateless`: the transport carries one request or notification of a legacy revision, which need not
 *   be `initialize`. So the server must be initialized before this message comes.
 * - `modern`: the transport carries one request or notification of the modern revision, which has no
 *   `initialize`.
 */
export type ClientKind = 'session' | 'stateless' | 'modern'

/**
 * Joins a client to a server. The listener calls this function once for each client. If the
 * function throws a ProxyError, the client gets that error as the response. `message` is the only
 * message of a client without a session. The transport carries it too.
 */
export type OnClient = (client: Duplex, context: ClientContext, message?: Frame) => void

/**
 * Serves a request of a client without a session, without a transport. Returns false if it cannot: the
 * listener then calls `onClient` with the transport.
 */
export type Serve = (exchange: Exchange, context: ClientContext) => boolean

/**
 * Finds the parameters of a tool that clients must repeat in HTTP headers (2026-07-28). `call` is the
 * call of the tool.
 */
export type MirroredParams = (
  server: string,
  tool: string,
  call: Frame
) => MirroredParam[] | Promise<MirroredParam[]>

export interface ListenerOptions
  extends Omit<OriginPolicyOptions, 'host' | 'address'>, CallerOptions {
  /**
   * The name or address to listen on (default 127.0.0.1). If the address is not a loopback address,
   * everyone who can reach it can use the servers, unless `auth` or a reverse proxy asks for a token.
   */
  host?: string | undefined
  /** The port to listen on (default 0: the system chooses a free port). */
  port?: number | undefined
  /** The names of the servers (default `['']`: only the default server). */
  servers?: string[] | undefined
  /**
   * Serves Streamable HTTP without sessions, so each POST counts as a new client (default false).
   */
  stateless?: boolean | undefined
  /**
   * The path at which clients reach the proxy: `/` or the prefix of a reverse proxy, such as `/tools`
   * (default: unknown). If it is known, the endpoint of HTTP+SSE is an absolute path.
   */
  basePath?: string | undefined
  /**
   * The name of this proxy among several behind one load balancer (default: none). Each session id
   * ends with a dot and this name, so the load balancer knows where the session is.
   */
  replica?: string | undefined
  /**
   * The URL at which clients reach the proxy (default: the URL of the listener). The audience of a
   * token of an issuer is this URL, or a URL below it.
   */
  publicUrl?: string | undefined
  /**
   * Finds the principal of a token (default: clients need no token). Then each request needs a valid
   * token, and a session belongs to the principal that opened it.
   */
  auth?: Auth | undefined
  /** The certificate and the key for HTTPS, in PEM format (default: the listener serves HTTP). */
  tls?: Tls | undefined
  /** Returns the state of each server for `/status` and `/readyz` (default: no servers). */
  serverStates?: ServerStates | undefined
  /**
   * Finds the parameters of a tool that clients repeat in HTTP headers. The listener checks these
   * headers (default: no tool has such parameters). The listener calls this function for each
   * `tools/call` of the modern revision, so the function should be fast.
   */
  mirroredParams?: MirroredParams | undefined
  /**
   * Serves a request of a client without a session, without a transport (default: each has a transport).
   * See `SharedServer.serve`.
   */
  serve?: Serve | undefined
  /**
   * Whether a server that `replaceServers` has removed has calls that wait for their clients (default:
   * none has). The path of the server then still takes requests, because such a client continues its
   * call with another request.
   */
  holdsCalls?: ((server: string) => boolean) | undefined
  /**
   * Returns how many servers of closed sessions still run (default: none). They count as open
   * sessions for `maxSessions`, because a server may take some time to exit.
   */
  exiting?: (() => number) | undefined
  /**
   * The metrics, served at a path of the proxy itself (default: none are served). With `auth`, they need a
   * token.
   */
  metrics?: MetricsPage | undefined
  /**
   * Gets each message of a client with the headers of its HTTP request. Returns the message to pass on
   * (default: the message stays as it is). See `traces` and `moveToMeta`.
   */
  trace?: Trace | undefined
  /**
   * Returns the error for a request to a server, or `undefined` to serve it (default: serves all). The
   * listener calls this for each HTTP request to a server.
   */
  refusal?: (() => ProxyError | undefined) | undefined
  log?: Log | undefined
}
