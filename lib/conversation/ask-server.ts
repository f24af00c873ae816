// Sends the proxy's own requests, or repeats a client's requests, to a server before a client uses
// this server. Each function waits for the response and then pauses the server's stream, so that
// the next reader misses no frame.

import type { Duplex } from 'node:stream'
import { internalError, ProxyError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import type { Frame } from '../message/frame.ts'
import { methods } from '../protocol/methods.ts'
import { version } from '../version.ts'

export interface AskOptions {
  /** How long each response may take, in ms (0: no limit). */
  timeout: number
  /** The same for the response to `initialize` (default: `timeout`). */
  initializeTimeout?: number
  /** Called with each other frame that the server sends meanwhile. Default: they are dropped. */
  onFrame?(frame: Frame): void
}

/**
 * Sends a request and resolves to its response. It also resolves to an error response, except for
 * `initialize`, because without `initialize` there is no session.
 *
 * @throws ProxyError `ERR_SERVER_START` if the server refuses `initialize` or closes. `ERR_TIMEOUT`
 * if the response takes too long
 */
export function ask(server: Duplex, request: Frame, options: AskOptions): Promise<Frame> {
  const { onFrame } = options
  const isInitialize = request.method === methods.initialize
  const timeout = (isInitialize ? options.initializeTimeout : undefined) ?? options.timeout
  ignoreErrors(server)
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      clearTimeout(timer)
      server.off('data', serverOnData).off('close', serverOnClose).pause()
    }
    const fail = (code: ErrorCode, fault: string, cause?: unknown): void => {
      settle()
      reject(new ProxyError(code, `the server ${fault} ${request.method}`, { cause }))
    }
    const serverOnData = (frame: Frame): void => {
      if (frame.kind !== 'response' || frame.id !== request.id) {
        try {
          return onFrame?.(frame)
        } catch (cause) {
          settle()
          return reject(internalError(cause))
        }
      }
      if (isInitialize && frame.errorCode !== undefined) {
        const fault = frame.failure === undefined ? 'refused' : 'did not answer'
        return fail('ERR_SERVER_START', fault, frame.failure)
      }
      settle()
      resolve(frame)
    }
    const serverOnClose = (): void => {
      fail(
        'ERR_SERVER_START',
        'closed the connection before it answered',
        server.errored ?? undefined
      )
    }
    const onTimeout = (): void => fail('ERR_TIMEOUT', 'took too long to answer')
    const timer = timeout > 0 ? setTimeout(onTimeout, timeout) : undefined
    server.on('data', serverOnData).on('close', serverOnClose).resume()
    // A command that cannot start closes before the caller has time to listen.
    if (server.closed) serverOnClose()
    else server.write(request)
  })
}

/**
 * Writes `frames` in their order. After each request it waits for the response before it writes the
 * next frame. Resolves to the last response. Fails with the errors of `ask`.
 */
export async function sendInOrder(
  server: Duplex,
  frames: Frame[],
  options: AskOptions
): Promise<Frame | undefined> {
  ignoreErrors(server)
  let response: Frame | undefined
  for (const frame of frames) {
    if (frame.kind === 'request') response = await ask(server, frame, options)
    else server.write(frame)
  }
  return response
}

// Without a listener for `error`, an error of the server would end the proxy's process. The
// listener may drop the error, because `ask` reads it when the server closes.
function ignoreErrors(server: Duplex): void {
  if (server.listenerCount('error') === 0) server.on('error', () => {})
}

/** The name and version of the proxy, as it tells them to servers. */
export const proxyInfo = { name: 'mcp-proxy', version }

/**
 * The id of the proxy's first request to a server. Some servers refuse strings. Requests of clients
 * to a shared server get ids from 1 on, so no request has this id.
 */
export const firstId = 0
