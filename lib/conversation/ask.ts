// Opens the conversation with a server on behalf of a client: says again what a client said, or would
// have said, and keeps the answers to itself.

import type { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { makeFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { methods } from '../protocol/methods.ts'
import { latestLegacy } from '../protocol/revisions.ts'
import { version } from '../version.ts'

export interface OpenOptions {
  /** Milliseconds for each answer (0: any). */
  timeout: number
  /** Whatever else the server says meanwhile. */
  onFrame?(frame: Frame): void
}

/**
 * Writes `frames` one after another, each request when the one before it has been answered, and
 * resolves to the last answer. The server is paused then: its next reader misses nothing.
 *
 * @throws ProxyError `ERR_SERVER_START` when the server refuses or leaves, `ERR_TIMEOUT`
 */
export async function open(
  server: Duplex,
  frames: Frame[],
  options: OpenOptions
): Promise<Frame | undefined> {
  // Its errors come with its closing.
  if (server.listenerCount('error') === 0) server.on('error', () => {})
  let answer: Frame | undefined
  for (const frame of frames) {
    if (frame.kind === 'request') answer = await ask(server, frame, options)
    else server.write(frame)
  }
  return answer
}

function ask(server: Duplex, request: Frame, { timeout, onFrame }: OpenOptions): Promise<Frame> {
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
      // An `initialize` that is refused has opened nothing; other refusals are the client's affair.
      if (request.method === methods.initialize && frame.errorCode !== undefined) {
        const fault = frame.failure === undefined ? 'refused' : 'did not answer'
        return fail('ERR_SERVER_START', fault, frame.failure)
      }
      settle()
      resolve(frame)
    }
    const serverOnClose = (): void => {
      fail('ERR_SERVER_START', 'left before it answered', server.errored ?? undefined)
    }
    const late = (): void => fail('ERR_TIMEOUT', 'took too long to answer')
    const timer = timeout > 0 ? setTimeout(late, timeout) : undefined
    server.on('data', serverOnData).on('close', serverOnClose).resume()
    server.write(request)
  })
}

/** The opening of a client that is the proxy itself: it can do nothing that a server might ask for. */
export function openingOfProxy(): Frame[] {
  const clientInfo = { name: 'mcp-proxy', version }
  const params = { protocolVersion: latestLegacy, capabilities: {}, clientInfo }
  return [
    makeFrame({ jsonrpc: '2.0', id: 'mcp-proxy', method: methods.initialize, params }),
    makeFrame({ jsonrpc: '2.0', method: methods.initialized })
  ]
}
