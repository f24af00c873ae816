// The types that the HTTP listener shares with its caller, which joins clients to servers. The
// listener gives the caller a client transport and a `ClientContext`. The listener asks the caller
// which parameters of a tool clients repeat in HTTP headers.
//
// A `RequestContext` is different: it holds one HTTP request, and only `http-server` uses it.

import type { Duplex } from 'node:stream'
import type { Frame } from '../message/frame.ts'
import type { MirroredParam } from '../protocol/mirrored-headers.ts'

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
 * function throws a ProxyError, the client gets that error as the response.
 */
export type OnClient = (client: Duplex, context: ClientContext) => void

/**
 * Finds the parameters of a tool that clients must repeat in HTTP headers (2026-07-28). `call` is the
 * call of the tool.
 */
export type MirroredParams = (
  server: string,
  tool: string,
  call: Frame
) => MirroredParam[] | Promise<MirroredParam[]>
