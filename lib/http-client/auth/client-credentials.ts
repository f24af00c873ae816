// OriginPolicy tokens for a server that wants OAuth 2.0 client credentials (RFC 6749, section 4.4). A token
// is fetched when one is first asked for, shared by all who ask, and fetched anew shortly before it
// expires or when the server refuses it. Nothing is loaded before that first time.

import type {
  ClientAuth,
  ClientCredentialsGrantRequestOptions,
  TokenEndpointResponse
} from 'oauth4webapi'
import type { Dispatcher } from 'undici'
import { ProxyError } from '../../errors.ts'
import { limits } from '../../limits.ts'

export interface TokenSource {
  /**
   * Gives a token that is good for some time yet. However many ask, it is fetched once; `signal`
   * ends the wait of one caller, and the request as well when nobody else waits for it.
   *
   * Errors: `ERR_TOKEN`, and those of the dispatcher's factory. None is kept: whoever asks
   * next tries again.
   */
  token(signal?: AbortSignal): Promise<string>
  /** The server refused this token: whoever asks next gets another, fetched once for all. */
  refused(token: string): void
}

export interface ClientCredentialsOptions {
  clientId: string
  clientSecret: string
  /** Where tokens are given out. The secret is sent there: http:// shows it to everyone between. */
  tokenUrl: URL
  /** The way to `tokenUrl`, or what makes it when it is first needed. The caller's to destroy. */
  dispatcher: Dispatcher | (() => Promise<Dispatcher>)
  /** Milliseconds in which a token must have come (30 s; 0: no limit). */
  timeout?: number | undefined
  /** The time in milliseconds (`Date.now`). */
  now?: (() => number) | undefined
}

export function clientCredentials(options: ClientCredentialsOptions): TokenSource {
  return new SharedToken(new TokenEndpoint(options), options.now ?? Date.now)
}

interface Fetching {
  token: Promise<string>
  waiting: number
  abort(): void
}

class SharedToken implements TokenSource {
  readonly #endpoint: TokenEndpoint
  readonly #now: () => number
  #held: { token: string; until: number } | undefined
  #fetching: Fetching | undefined

  constructor(endpoint: TokenEndpoint, now: () => number) {
    this.#endpoint = endpoint
    this.#now = now
  }

  async token(signal?: AbortSignal): Promise<string> {
    signal?.throwIfAborted()
    if (this.#held !== undefined && this.#now() < this.#held.until) return this.#held.token
    const fetching = (this.#fetching ??= this.#start())
    fetching.waiting++
    try {
      return await unlessAborted(fetching.token, signal)
    } finally {
      if (--fetching.waiting === 0) {
        this.#end(fetching)
        fetching.abort()
      }
    }
  }

  refused(token: string): void {
    if (this.#held?.token === token) this.#held = undefined
  }

  #start(): Fetching {
    const controller = new AbortController()
    const token = this.#fetch(controller).finally(() => this.#end(fetching))
    const fetching: Fetching = { token, waiting: 0, abort: () => controller.abort() }
    return fetching
  }

  #end(fetching: Fetching): void {
    if (this.#fetching === fetching) this.#fetching = undefined
  }

  async #fetch(controller: AbortController): Promise<string> {
    const asked = this.#now()
    const answer = await this.#endpoint.request(controller)
    // Without a lifetime it is good until the server says otherwise.
    const lifetime = (answer.expires_in ?? Infinity) * 1000
    // Half a minute for the clocks and the way, but of a short lifetime it would leave nothing.
    const margin = Math.min(30_000, lifetime / 10)
    this.#held = { token: answer.access_token, until: asked + lifetime - margin }
    return answer.access_token
  }
}

/** An answer is a few lines. What is longer than this many bytes is something else. */
const maxAnswer = 1024 * 1024
/** How much of an endpoint's words gets into an error. */
const maxReason = 300

class TokenEndpoint {
  readonly #options: ClientCredentialsOptions
  #dispatcher: Promise<Dispatcher> | undefined
  /** It is known to want the credentials in the body. */
  #inBody = false

  constructor(options: ClientCredentialsOptions) {
    this.#options = options
  }

  async request(controller: AbortController): Promise<TokenEndpointResponse> {
    const { timeout = limits.connectTimeout } = this.#options
    const late = (): void => controller.abort(this.#error(`no answer within ${timeout / 1000} s`))
    const timer = timeout > 0 ? setTimeout(late, timeout) : undefined
    try {
      return await this.#authenticate(await this.#connect(), controller.signal)
    } finally {
      clearTimeout(timer)
    }
  }

  async #connect(): Promise<Dispatcher> {
    const { dispatcher } = this.#options
    if (typeof dispatcher !== 'function') return dispatcher
    try {
      return await (this.#dispatcher ??= dispatcher())
    } catch (error) {
      this.#dispatcher = undefined
      throw error
    }
  }

  async #authenticate(dispatcher: Dispatcher, signal: AbortSignal): Promise<TokenEndpointResponse> {
    if (!this.#inBody) {
      try {
        return await this.#ask(dispatcher, this.#basic, signal)
      } catch (error) {
        if (!(error instanceof ClientRefusedError)) throw error
      }
    }
    // Every endpoint must take Basic authentication (RFC 6749, 2.3.1), yet some take only what is in
    // the body, and others don't decode what has to be encoded in the header.
    const answer = await this.#ask(dispatcher, this.#post, signal)
    this.#inBody = true
    return answer
  }

  // The library's own ClientSecretBasic encodes what a form leaves as it is, the hyphens of a UUID
  // among it, and so is refused by endpoints that don't decode.
  readonly #basic: ClientAuth = (_server, _client, _body, headers) => {
    const { clientId, clientSecret } = this.#options
    const credentials = `${formEncode(clientId)}:${formEncode(clientSecret)}`
    headers.set('authorization', `Basic ${Buffer.from(credentials).toString('base64')}`)
  }

  readonly #post: ClientAuth = (_server, _client, body) => {
    body.set('client_id', this.#options.clientId)
    body.set('client_secret', this.#options.clientSecret)
  }

  async #ask(
    dispatcher: Dispatcher,
    authenticate: ClientAuth,
    signal: AbortSignal
  ): Promise<TokenEndpointResponse> {
    const { clientId, tokenUrl } = this.#options
    const oauth = await import('oauth4webapi')
    const server = { issuer: tokenUrl.origin, token_endpoint: tokenUrl.href }
    const client = { client_id: clientId }
    const options: ClientCredentialsGrantRequestOptions = {
      [oauth.allowInsecureRequests]: true,
      [oauth.customFetch]: (_url, { headers, body }) =>
        this.#fetch(dispatcher, headers, body.toString(), signal)
    }
    const { clientCredentialsGrantRequest, processClientCredentialsResponse } = oauth
    const response = await clientCredentialsGrantRequest(server, client, authenticate, {}, options)
    try {
      return await processClientCredentialsResponse(server, client, response)
    } catch (error) {
      // Never a cause: it has the answer in it, and the answer may have a token.
      throw this.#explain(response.status, error as LibraryError)
    }
  }

  // undici's fetch takes longer to load than all the rest, and Node's has an undici of its own, which
  // may not understand our dispatcher.
  async #fetch(
    dispatcher: Dispatcher,
    headers: Record<string, string>,
    body: string,
    signal: AbortSignal
  ): Promise<Response> {
    const { origin, pathname, search } = this.#options.tokenUrl
    const { default: request } = await import('undici/lib/api/api-request.js')
    try {
      const options = { origin, path: pathname + search, method: 'POST', headers, body, signal }
      const answer = await request.call(dispatcher, options)
      // Nothing else of it: whatever type it is sent as, it is JSON or an error, and a header with a
      // challenge would keep the library from reading the reason in the body.
      return new Response(await this.#read(answer.body), {
        status: answer.statusCode,
        headers: { 'content-type': 'application/json' }
      })
    } catch (cause) {
      if (cause instanceof ProxyError && cause.code === 'ERR_TOKEN') throw cause
      throw this.#error('it cannot be reached', { cause })
    }
  }

  async #read(body: AsyncIterable<Buffer>): Promise<Buffer | null> {
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of body) {
      size += chunk.length
      if (size > maxAnswer) throw this.#error(`its answer is over ${maxAnswer} bytes`)
      chunks.push(chunk)
    }
    return size === 0 ? null : Buffer.concat(chunks)
  }

  #explain(status: number, { message, error, error_description }: LibraryError): ProxyError {
    let reason = `it answered ${status}`
    if (error !== undefined) reason = error
    else if (status === 200) reason = `its answer has no token: ${message}`
    if (error_description !== undefined) reason += ` (${error_description})`
    // An endpoint that overlooks the header says invalid_request, as no client is named.
    const refused = status === 401 || error === 'invalid_client' || error === 'invalid_request'
    const Kind = refused ? ClientRefusedError : ProxyError
    return new Kind('ERR_TOKEN', this.#message(reason))
  }

  #error(reason: string, options?: ErrorOptions): ProxyError {
    return new ProxyError('ERR_TOKEN', this.#message(reason), options)
  }

  /** What others say may have line breaks, no end, or our own secret in it. */
  #message(reason: string): string {
    const { clientSecret, tokenUrl } = this.#options
    const shown = clientSecret === '' ? reason : reason.replaceAll(clientSecret, '…')
    const line = shown.replace(/[\s\p{Cc}]+/gu, ' ').slice(0, maxReason)
    return `no access token from ${tokenUrl.host}: ${line}`
  }
}

/** What oauth4webapi makes of an answer. The last two are the endpoint's own words. */
interface LibraryError {
  message: string
  error?: string
  error_description?: string
}

/** The client is not believed to be who it says: said in another way, it may be. */
class ClientRefusedError extends ProxyError {}

/** As application/x-www-form-urlencoded does (RFC 6749, 2.3.1). */
const formEncode = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1)

/** `promise`, but no longer than until `signal` is aborted. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error)
    const onSettled = (): void => signal.removeEventListener('abort', onAbort)
    signal.addEventListener('abort', onAbort)
    promise.finally(onSettled).then(resolve, reject)
  })
}
