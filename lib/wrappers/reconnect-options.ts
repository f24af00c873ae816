// The options of `reconnect`.

import type { Log } from '../log.ts'
import type { Translator } from './opening.ts'

export interface ReconnectOptions {
  /** How many restarts a minute are allowed. More fail the transport (default 5; 0: no limit). */
  restarts?: number | undefined
  /**
   * Whether the server is at a URL (default: false, it is a process). If so, the transport stays
   * open while the server cannot be reached, and `restarts` does not apply.
   */
  remote?: boolean | undefined
  /**
   * Whether the transport fails if the first server closes before it sends a response (default:
   * false with `remote`, else true).
   */
  failsAtStart?: boolean | undefined
  /**
   * How long a new server may take for each response while the session is restored, in ms (default
   * 30 000; 0: no limit).
   */
  connectTimeout?: number | undefined
  /**
   * Finds a translating transport when the client and the server are of different eras (default: the
   * client gets the server's refusal). While the client's first request has no response, the frames
   * after it wait.
   */
  translator?: Translator | undefined
  /** An abort of this signal destroys the transport and its server. */
  signal?: AbortSignal | undefined
  /** Gets a warning for each restart (default: silent). */
  log?: Log | undefined
}
