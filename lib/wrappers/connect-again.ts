// Connects to a server again and restores the session of a client on it. The new server may be of
// another era than the old one. Then a translating transport takes its place.

import type { Duplex } from 'node:stream'
import type { AskOptions } from '../conversation/ask-server.ts'
import type { SessionState } from '../conversation/session-state.ts'
import { ProxyError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'
import { methods } from '../protocol/methods.ts'
import { mayRefuseEra } from './opening.ts'
import type { Translator } from './opening.ts'

export interface ConnectAgainOptions extends AskOptions {
  connect: () => Duplex
  translator: Translator | undefined
  state: SessionState
  /** Whether the caller sends a frame of the state itself, later. */
  isQueued: (frame: Frame) => boolean
  /** Called with each transport that this uses, so that the caller can destroy it. */
  onServer: (server: Duplex) => void
}

/**
 * Resolves to the transport to the server, with the session of the client. If there is no session, it
 * resolves to the reason, and the transport is destroyed.
 */
export async function connectAgain(options: ConnectAgainOptions): Promise<Duplex | ProxyError> {
  try {
    return await openAgain(options)
  } catch (error) {
    if (error instanceof ProxyError) return error
    throw error // it is an exception of the code
  }
}

async function openAgain(options: ConnectAgainOptions): Promise<Duplex> {
  const { connect, translator } = options
  // Nothing listens to the transport until it is attached, and then its error is still known.
  const onServer = (server: Duplex): void => options.onServer(server.on('error', nothing))
  const first = connect()
  onServer(first)
  const server = (await translator?.prepare?.(first)) ?? first
  if (server !== first) onServer(server)
  const failure = await restore(server, options)
  if (failure === undefined) return server
  const next = await translatingTransport(failure, server, options)
  if (next === undefined) {
    server.destroy()
    throw failure
  }
  onServer(next)
  const nextFailure = await restore(next, options)
  if (nextFailure === undefined) return next
  next.destroy()
  throw nextFailure
}

async function restore(
  server: Duplex,
  { state, isQueued, ...options }: ConnectAgainOptions
): Promise<ProxyError | undefined> {
  try {
    await state.restore(server, isQueued, options)
    return undefined
  } catch (error) {
    return error as ProxyError
  }
}

async function translatingTransport(
  failure: ProxyError,
  server: Duplex,
  { state, translator }: ConnectAgainOptions
): Promise<Duplex | undefined> {
  const request = state.frames.find(({ method }) => method === methods.initialize)
  if (request === undefined || translator === undefined) return undefined
  const { cause } = failure
  const isRefusal = failure.code === 'ERR_SERVER_START' && cause === undefined
  const error = cause instanceof ProxyError ? cause : failure
  if (!isRefusal && !mayRefuseEra(translator, error)) return undefined
  const refusal = errorFrame(request.id, error)
  return translator.translate({ request, refusal, server: server.destroyed ? undefined : server })
}

const nothing = (): void => {}
