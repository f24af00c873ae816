// What the listener and the code that knows the servers say to each other. The listener hands over a
// client transport together with a `ClientContext`, and asks which parameters of a tool are mirrored.
//
// `RequestContext` is something else: one HTTP request, which only the endpoints see.

import type { Duplex } from 'node:stream'
import type { MirroredParam } from '../protocol/mirrored-headers.ts'

/** What the listener says about a client when it hands over the client's transport. */
export interface ClientContext {
  /** The name of the server in the client's URL: `''` is the default server. */
  server: string
  /** Identifies the client: no other client of this listener has the same. */
  session: string
  kind: ClientKind
}

/**
 * How the client uses the server.
 *
 * - `session`: the client opens a session with `initialize`.
 * - `stateless`: the transport carries one request of a legacy revision. The server must have been
 *   initialized before.
 * - `modern`: the transport carries one request of the modern revision, which has no `initialize`.
 */
export type ClientKind = 'session' | 'stateless' | 'modern'

/**
 * Joins a client to a server. The listener calls it once for each client. It may throw a ProxyError,
 * which the client gets as the response.
 */
export type OnClient = (client: Duplex, context: ClientContext) => void

/** Finds the parameters of a server's tool that are mirrored in headers (2026-07-28). */
export type MirroredParams = (
  server: string,
  tool: string
) => MirroredParam[] | Promise<MirroredParam[]>
