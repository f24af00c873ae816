// Types for the parts of undici that the proxy loads one by one. To load all of undici takes more
// than twice the time. undici itself declares types only for its index.

declare module 'undici/lib/dispatcher/agent.js' {
  export { Agent as default } from 'undici'
}

declare module 'undici/lib/dispatcher/pool.js' {
  export { Pool as default } from 'undici'
}

declare module 'undici/lib/dispatcher/env-http-proxy-agent.js' {
  export { EnvHttpProxyAgent as default } from 'undici'
}

declare module 'undici/lib/api/api-connect.js' {
  import type { Dispatcher } from 'undici'
  export default function connect(
    this: Dispatcher,
    options: Dispatcher.ConnectOptions
  ): Promise<Dispatcher.ConnectData>
}

declare module 'undici/lib/api/api-request.js' {
  import type { Dispatcher } from 'undici'
  export default function request(
    this: Dispatcher,
    options: Dispatcher.RequestOptions
  ): Promise<Dispatcher.ResponseData>
}

declare module 'undici/lib/core/symbols.js' {
  /** The parser of a connection. */
  export interface Parser {
    /** Whether the handler has paused the reading in the middle of a body. */
    paused: boolean
    readonly ptr: number
    readonly llhttp: { llhttp_resume(ptr: number): void }
    execute(chunk: Buffer): void
  }
  const symbols: { readonly kSocket: unique symbol; readonly kParser: unique symbol }
  export default symbols
}

declare module 'undici/lib/web/cookies/parse.js' {
  export interface Cookie {
    name: string
    value: string
    expires?: Date
    maxAge?: number
    domain?: string
    path?: string
    secure?: boolean
  }
  const parser: { parseSetCookie(header: string): Cookie | null }
  export default parser
}
