// Sends a response of the proxy to a server.

import type { Duplex } from 'node:stream'
import type { Frame } from '../message/frame.ts'

/**
 * Sends a response. If the server does not read it, the proxy does not read the server either, until
 * there is room again. Otherwise a server that only sends requests could fill the memory.
 */
export function sendResponse(server: Duplex, response: Frame): void {
  if (server.write(response) || server.isPaused()) return
  server.pause().once('drain', () => server.resume())
}
