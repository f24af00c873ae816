// The core of the proxy. It passes frames between the transport to a client and that to a server.

import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { SharedPort } from '../wrappers/shared-port.ts'

/**
 * Passes all frames between a client and a server. Resolves when both have ended. Rejects when the
 * client or the server fails.
 */
export function join(client: Duplex, server: Duplex): Promise<void> {
  return pipeline(client, server, client)
}

/**
 * Passes all frames between a client and its port (its transport to a shared server), as `join`
 * does. It does not use `pipeline`, because `pipeline` costs 10 KiB and ten times the time of a
 * request. There may be thousands of clients, and most of them send only one request. A `SharedPort`
 * passes the frames itself (see `meet`).
 */
export function joinPort(client: Duplex, port: Duplex): void {
  client
    .on('end', () => port.end())
    .on('close', () => port.destroy())
    .on('error', ignore)
  port
    .on('end', () => client.end())
    .on('close', () => hasEnded(port) || client.destroy(port.errored ?? undefined))
    .on('error', ignore)
  if (port instanceof SharedPort) return port.meet(client)
  client.on('data', (frame) => port.write(frame) || client.pause()).on('drain', () => port.resume())
  port.on('data', (frame) => client.write(frame) || port.pause()).on('drain', () => client.resume())
}

/** Whether a port ended without an error. If so, a slow client can still read the last frames. */
const hasEnded = ({ readableEnded, writableFinished, errored }: Duplex): boolean =>
  readableEnded && writableFinished && errored === null

const ignore = (): void => {}
