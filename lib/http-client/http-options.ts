// The options of connectHttp, connectSse and connectUrl.

import type { Log } from '../log.ts'
import type { HttpClientOptions } from './http-client.ts'

export interface HttpOptions extends Omit<HttpClientOptions, 'url'> {
  /** The server's MCP endpoint, or its event stream for `connectSse`. */
  url: URL | string
  /**
   * The largest message that the server may send, in bytes (default 64 MiB; 0: no limit). A larger one
   * fails its request. Without a limit a server can fill the memory.
   */
  maxMessage?: number | undefined
  /**
   * How long connecting may take, and then the response to the first request, in milliseconds (default
   * 30 000; 0: no limit). For `connectSse` also the time until the server names its endpoint. Later
   * requests have no limit.
   */
  connectTimeout?: number | undefined
  /**
   * How long the server may take to confirm the end of the session, in milliseconds (default 5000; 0: no
   * limit). `connectSse` does not use it.
   */
  closeTimeout?: number | undefined
  /** Destroys the transport when it aborts. */
  signal?: AbortSignal | undefined
  /** Gets the transport's messages (default: no log). */
  log?: Log | undefined
}
