// Opens the conversation with a server on behalf of a client: says again what a client said, or would
// have said, and keeps the answers to itself.

import type { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import { makeFrame } from '../frame.ts'
import type { Frame } from '../frame.ts'
import { latestLegacy } from '../protocol.ts'
import { version } from '../version.ts'

export interface OpenOptions {
  /** Milliseconds for each answer (0: any). */
  timeout: number
  /** Whatever else the server says meanwhile. */
  onFrame?(frame: Frame): void
}

/**
 * Writes `frames` one after another, each request when the one before it has been answered. The
 * server is paused when it is done: its next reader misses nothing.
 *
 * @throws ProxyError `ERR_SERVER_START` when the server refuses, leaves, or does not answer in time
 */
export async function open(server: Duplex, frames: Frame[], options: OpenOptions): Promise<void> {
  // Its errors come with its closing.
  server.on('error', () => {})
  for (const frame of frames) {
    if (frame.kind === 'request') await ask(server, frame, options)
    else server.write(frame)
  }
}

function ask(server: Duplex, request: Frame, { timeout, onFrame }: OpenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (fault?: string, cause?: unknown): void => {
      clearTimeout(timer)
      server.off('data', serverOnData).off('close', serverOnClose).pause()
      if (fault === undefined) return resolve()
      reject(new ProxyError('ERR_SERVER_START', `the server ${fault} ${request.method}`, { cause }))
    }
    const serverOnData = (frame: Frame): void => {
      if (frame.kind !== 'response' || frame.id !== request.id) onFrame?.(frame)
      // An `initialize` that is refused has opened nothing; other refusals are the client's affair.
      else if (request.method === 'initialize' && frame.message().error) settle('refused')
      else settle()
    }
    const serverOnClose = (): void => {
      settle('left before it answered', server.errored ?? undefined)
    }
    const timer =
      timeout > 0 ? setTimeout(() => settle('took too long to answer'), timeout) : undefined
    server.on('data', serverOnData).on('close', serverOnClose)
    server.write(request)
  })
}

/** The opening of a client that is the proxy itself: it can do nothing that a server might ask for. */
export function openingOfProxy(): Frame[] {
  const clientInfo = { name: 'mcp-proxy', version }
  const params = { protocolVersion: latestLegacy, capabilities: {}, clientInfo }
  return [
    makeFrame({ jsonrpc: '2.0', id: 'mcp-proxy', method: 'initialize', params }),
    makeFrame({ jsonrpc: '2.0', method: 'notifications/initialized' })
  ]
}
