// The proxy itself.

import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Tap } from './wrappers/record.ts'

/** Joins a client to a server. Resolves when both have ended, rejects when either fails. */
export function join(client: Duplex, server: Duplex, tap?: Tap): Promise<void> {
  if (tap === undefined) return pipeline(client, server, client)
  return pipeline(client, tap.fromClient, server, tap.fromServer, client)
}
