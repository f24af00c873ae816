// The facts that the library publishes on channels of `node:diagnostics_channel`. Recordings, audit logs
// and metrics subscribe to them. The transports to clients and the listener publish the facts about
// clients, so these are the same for every transport and era, and for shared servers too. The transports
// to child processes publish the facts about processes.
//
// A channel without a subscriber costs one comparison, and the fact is not even made.

import { channel } from 'node:diagnostics_channel'
import type { Frame } from '../message/frame.ts'
import type { ProxyError } from '../errors.ts'

/** A client, as it is the same in all facts about it. */
export interface FactClient {
  /** The name of the server that the client asked for: `''` is the default server. */
  readonly server: string
  /** The id of the client. It is unique among the clients of a listener, and a secret. */
  readonly session: string
  /** `session`: the client has a session. Otherwise it sends one request or notification. */
  readonly kind: 'session' | 'stateless' | 'modern'
  /** The principal of the client's token. `undefined` if no token is needed. */
  readonly principal?: string | undefined
  /** The address of the client. */
  readonly address?: string | undefined
}

/** Published on `mcp-duplex:session`, first when a client has come and then when it has ended. */
export interface SessionFact {
  readonly type: 'open' | 'end'
  readonly client: FactClient
  /** The error that ended the client, if there was one. */
  readonly error?: Error | undefined
}

/** Published on `mcp-duplex:message` for each message from and to a client. */
export interface MessageFact {
  readonly client: FactClient
  readonly from: 'client' | 'server'
  /** The message. Its id is unique among the client's requests in flight. */
  readonly frame: Frame
  /** False for a response that the client can get no more: it has disconnected, or has cancelled. */
  readonly delivered: boolean
}

/**
 * Published on `mcp-duplex:refusal` for each HTTP request and connection that the listener refuses, and
 * for each invalid message on stdin.
 */
export interface RefusalFact {
  readonly error: ProxyError
  /** `''` on stdin. */
  readonly address: string
  /** The HTTP method. `undefined` if the connection was refused. */
  readonly httpMethod?: string | undefined
  readonly path?: string | undefined
  readonly server?: string | undefined
  readonly principal?: string | undefined
  /** The id that the client sent. It may be invented. */
  readonly session?: string | undefined
  /** The JSON-RPC request, if it came. */
  readonly frame?: Frame | undefined
  /** The messages of the batch, if one came. Some may have been published before. */
  readonly batch?: readonly Frame[] | undefined
}

/**
 * Published on `mcp-duplex:process` when the process of a server has started, for each line on its
 * stderr, and when the process and its descendants have exited.
 */
export interface ProcessFact {
  readonly type: 'start' | 'stderr' | 'exit'
  /** The name of the server: `''` is the default server. */
  readonly server: string
  readonly pid: number
  readonly command: string
  /** The line on stderr. */
  readonly line?: string | undefined
  /** The exit code. `null` if a signal ended the process. */
  readonly exitCode?: number | null | undefined
  /** The signal that ended the process. `null` if the process exited. */
  readonly signal?: NodeJS.Signals | null | undefined
}

/** Published on `mcp-duplex:restart` when the proxy starts a server again, or connects to it again. */
export interface RestartFact {
  /** The name of the server: `''` is the default server. */
  readonly server: string
  /** Whether the server is at a URL. */
  readonly remote: boolean
}

export const sessionChannel = channel('mcp-duplex:session')
export const messageChannel = channel('mcp-duplex:message')
export const refusalChannel = channel('mcp-duplex:refusal')
export const processChannel = channel('mcp-duplex:process')
export const restartChannel = channel('mcp-duplex:restart')

/** Publishes that a client has come. */
export function publishOpen(client: FactClient): void {
  if (!sessionChannel.hasSubscribers) return
  sessionChannel.publish({ type: 'open', client } satisfies SessionFact)
}

/** Publishes that a client has ended. */
export function publishEnd(client: FactClient, error: Error | null): void {
  if (!sessionChannel.hasSubscribers) return
  sessionChannel.publish({ type: 'end', client, error: error ?? undefined } satisfies SessionFact)
}

/** Publishes that the listener refuses an HTTP request or a connection. */
export function publishRefusal(fact: RefusalFact): void {
  if (refusalChannel.hasSubscribers) refusalChannel.publish(fact)
}

/** Publishes what happens to the process of a server. */
export function publishProcess(fact: ProcessFact): void {
  if (processChannel.hasSubscribers) processChannel.publish(fact)
}

/** Publishes that the proxy starts a server again, or connects to it again. */
export function publishRestart(fact: RestartFact): void {
  if (restartChannel.hasSubscribers) restartChannel.publish(fact)
}

/** Publishes a message from or to a client. */
export function publishMessage(
  client: FactClient,
  from: MessageFact['from'],
  frame: Frame,
  delivered = true
): void {
  if (!messageChannel.hasSubscribers) return
  messageChannel.publish({ client, from, frame, delivered } satisfies MessageFact)
}
