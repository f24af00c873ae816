// What the listener asks of whoever knows the servers: to join a client that has come to one of them,
// and what it must know of their tools to check a request.

import type { Duplex } from 'node:stream'
import type { MirroredParam } from '../protocol/mirrored-headers.ts'

/** What is told of a client with its transport. */
export interface ClientContext {
  /** The name of the server that the client asked for: `''` is the default one. */
  server: string
  /** Unlike that of any other client of this listener. */
  session: string
  kind: ClientKind
}

/**
 * How the client speaks to the server: in a `session` that it opens itself; with one `stateless`
 * request of a legacy revision, for which somebody else must have opened the session; or with one of
 * the `modern` revision, for which there is none.
 */
export type ClientKind = 'session' | 'stateless' | 'modern'

/** Joins a client to a server. Called for each client once; may throw a ProxyError to refuse it. */
export type OnClient = (client: Duplex, arrival: ClientContext) => void

/** Finds the parameters of a server's tool that are mirrored in headers (2026-07-28). */
export type MirroredParams = (
  server: string,
  tool: string
) => MirroredParam[] | Promise<MirroredParam[]>
