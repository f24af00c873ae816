// The proxy itself: it joins the transport to a client and the transport to a server.

import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Tap } from '../wrappers/record.ts'

/**
 * Joins a client to a server. Resolves when both have ended, rejects when either fails.
 *
 * @param tap records what passes. Default: nothing is recorded
 */
export function join(client: Duplex, server: Duplex, tap?: Tap): Promise<void> {
  if (tap === undefined) return pipeline(client, server, client)
  return pipeline(client, tap.fromClient, server, tap.fromServer, client)
}

/**
 * Joins a client to a port of a shared server. It does what `join` does, without the cost of a
 * `pipeline`: 10 KiB, and ten times the time that a request takes. There may be thousands of clients,
 * most of them for one request.
 */
export function joinPort(client: Duplex, port: Duplex): void {
  client
    .on('data', (frame) => port.write(frame) || client.pause())
    .on('drain', () => port.resume())
    .on('end', () => port.end())
    .on('close', () => port.destroy())
    .on('error', ignore)
  port
    .on('data', (frame) => client.write(frame) || port.pause())
    .on('drain', () => client.resume())
    .on('end', () => client.end())
    .on('close', () => hasEnded(port) || client.destroy(port.errored ?? undefined))
    .on('error', ignore)
}

/** Whether a port ended without a failure. A slow client can then still take the last frames. */
const hasEnded = ({ readableEnded, writableFinished, errored }: Duplex): boolean =>
  readableEnded && writableFinished && errored === null

const ignore = (): void => {}
