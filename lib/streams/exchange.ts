// One request of a client that has no session, and what the server sends for it. A transport of the same
// request is a stream, and a stream costs more than everything else that the proxy does for a small
// request. So where nothing but a shared server answers the client, the two meet without streams.

import type { Frame } from '../message/frame.ts'
import type { FactClient } from './facts.ts'

export interface Exchange {
  /** The request. */
  readonly request: Frame
  /** What facts about the client say about it. */
  readonly client: FactClient
  /** Set this to learn that the client has gone, or that the exchange is over. Called once. */
  onClose: (error?: Error) => void
  /** Call this when a server can take the request. Until then an error can get its HTTP status. */
  begin(): void
  /**
   * Sends a message of the server to the client.
   *
   * @param callback called when the client can take the next message, perhaps at once
   */
  send(frame: Frame, callback: () => void): void
  /** Ends the exchange. A request that has no response yet gets the error. */
  destroy(error?: Error | null): void
}
