// The options of connectHttp, connectSse and connectUrl.

import type { Log } from '../log.ts'
import type { HttpClientOptions } from './http-client.ts'

export interface HttpOptions extends Omit<HttpClientOptions, 'url' | 'cookies'> {
  /** The server's MCP endpoint, or its event stream for `connectSse`. */
  url: URL | string
  /**
   * The largest message that the server may send, in bytes (default 64 MiB; 0: no limit). If a
   * message is larger, its request fails. Without a limit a server can fill the memory of the
   * proxy.
   */
  maxMessage?: number | undefined
  /**
   * The time limit to open a connection, in milliseconds (default 30 000; 0: no limit). It is
   * also the longest silence of the server before its response to the first request is complete.
   * With `connectSse` it is also the limit for the server to name its endpoint. Later requests have
   * no limit.
   */
  connectTimeout?: number | undefined
  /**
   * How long the server may take to confirm the end of the session, in milliseconds (default 3000;
   * 0: no limit). `connectSse` ignores this option.
   */
  closeTimeout?: number | undefined
  /** When this signal aborts, the transport is destroyed. */
  signal?: AbortSignal | undefined
  /** Receives the log messages of the transport (default: no log). */
  log?: Log | undefined
}
