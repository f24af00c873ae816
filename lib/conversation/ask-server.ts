// Requests of the proxy itself, or repeated by it, to a server that no client is joined to yet. Each
// request waits for its response, and the server is paused as soon as it has come, so that the next
// reader misses nothing.

import type { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { makeFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { methods } from '../protocol/methods.ts'
import { latestLegacy } from '../protocol/revisions.ts'
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
 * Sends a request and resolves to its response. An error is a response too, except to `initialize`: a
 * server that refuses it has no session.
 *
 * @throws ProxyError `ERR_SERVER_START` when the server refuses `initialize` or closes, `ERR_TIMEOUT`
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
      if (frame.kind !== 'response' || frame.id !== request.id) return onFrame?.(frame)
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
    server.write(request)
  })
}

/**
 * Writes `frames` in their order, each after the response to the request before it. Resolves to the
 * last response. Fails as `ask` does.
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

// A server that fails also closes, and `ask` takes the error from there. Without a listener for
// `error` the process would end.
function ignoreErrors(server: Duplex): void {
  if (server.listenerCount('error') === 0) server.on('error', () => {})
}

/** The name and version that the proxy gives to servers. */
export const proxyInfo = { name: 'mcp-proxy', version }

/**
 * The frames that initialize a session of the proxy itself. It names no client capabilities, so the
 * server may not send it requests, except `ping`.
 */
export function proxyHandshake(): Frame[] {
  const params = { protocolVersion: latestLegacy, capabilities: {}, clientInfo: proxyInfo }
  return [
    makeFrame({ jsonrpc: '2.0', id: 'mcp-proxy', method: methods.initialize, params }),
    makeFrame({ jsonrpc: '2.0', method: methods.initialized })
  ]
}
