// Access tokens by OAuth 2.0 client credentials (RFC 6749, section 4.4). The credentials go to the token
// endpoint in a header. If the endpoint refuses that, they go in the body, then and later. The library
// for OAuth is loaded for the first token.

import type {
  ClientAuth,
  ClientCredentialsGrantRequestOptions,
  TokenEndpointResponse
} from 'oauth4webapi'
import type { Dispatcher } from 'undici'
import { ProxyError } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { SharedToken } from './shared-token.ts'
import type { TokenFetcher } from './shared-token.ts'
import type { TokenSource } from './token-source.ts'

export interface ClientCredentialsOptions {
  /** The id under which the proxy is registered at the authorization server. */
  clientId: string
  /** The secret of that id. No error and no log shows it. */
  clientSecret: string
  /** The token endpoint. It gets the secret: over `http:` anybody on the way can read it. */
  tokenUrl: URL
  /**
   * Sends the requests to `tokenUrl`. A function is called for the first token, and again if it failed.
   * The caller destroys the dispatcher.
   */
  dispatcher: Dispatcher | (() => Promise<Dispatcher>)
  /**
   * How long a token may take to come, in milliseconds (default 30 000; 0: no limit). Without a limit a
   * silent endpoint holds all requests for ever.
   */
  timeout?: number | undefined
  /** Gives the time in milliseconds (default `Date.now`). For tests. */
  now?: (() => number) | undefined
}

export function clientCredentials(options: ClientCredentialsOptions): TokenSource {
  return new SharedToken(new TokenEndpoint(options), options.now ?? Date.now)
}

/** The largest response that is read, in bytes. A token response has a few lines. */
const maxResponse = 1024 * 1024
/** How much of the endpoint's reason an error shows, in characters. */
const maxReason = 300

class TokenEndpoint implements TokenFetcher {
  readonly #options: ClientCredentialsOptions
  #dispatcher: Promise<Dispatcher> | undefined
  /** The endpoint accepts the credentials only in the body. */
  #inBody = false

  constructor(options: ClientCredentialsOptions) {
    this.#options = options
  }

  async request(controller: AbortController): Promise<TokenEndpointResponse> {
    const { timeout = limits.connectTimeout } = this.#options
    const onTimeout = (): void =>
      controller.abort(this.#error(`no response within ${timeout / 1000} s`))
    const timer = timeout > 0 ? setTimeout(onTimeout, timeout) : undefined
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
        return await this.#requestToken(dispatcher, this.#basic, signal)
      } catch (error) {
        if (!(error instanceof ClientRefusedError)) throw error
      }
    }
    // Every endpoint must accept Basic authentication (RFC 6749, 2.3.1). But some accept only
    // credentials in the body, and others do not decode those in the header.
    const response = await this.#requestToken(dispatcher, this.#post, signal)
    this.#inBody = true
    return response
  }

  // The library's own ClientSecretBasic also encodes the hyphens of a UUID, which a form does not.
  // Endpoints that do not decode refuse that.
  readonly #basic: ClientAuth = (_server, _client, _body, headers) => {
    const { clientId, clientSecret } = this.#options
    const credentials = `${formEncode(clientId)}:${formEncode(clientSecret)}`
    headers.set('authorization', `Basic ${Buffer.from(credentials).toString('base64')}`)
  }

  readonly #post: ClientAuth = (_server, _client, body) => {
    body.set('client_id', this.#options.clientId)
    body.set('client_secret', this.#options.clientSecret)
  }

  async #requestToken(
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
      // Without the cause: it holds the response, which may hold a token.
      throw this.#explain(response.status, error as LibraryError)
    }
  }

  // Not fetch: undici's takes longer to load than all the rest, and Node's own may not work with a
  // dispatcher of this undici.
  async #fetch(
    dispatcher: Dispatcher,
    headers: Record<string, string>,
    form: string,
    signal: AbortSignal
  ): Promise<Response> {
    const { origin, pathname, search } = this.#options.tokenUrl
    const { default: request } = await import('undici/lib/api/api-request.js')
    try {
      const path = pathname + search
      const options = { origin, path, method: 'POST', headers, body: form, signal }
      const { statusCode: status, body } = await request.call(dispatcher, options)
      // Without its headers: a wrong content type, or a challenge, would keep the library from reading
      // the body.
      const responseHeaders = { 'content-type': 'application/json' }
      return new Response(await this.#read(body), { status, headers: responseHeaders })
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
      if (size > maxResponse) throw this.#error(`its response is over ${maxResponse} bytes`)
      chunks.push(chunk)
    }
    return size === 0 ? null : Buffer.concat(chunks)
  }

  #explain(status: number, { message, error, error_description }: LibraryError): ProxyError {
    let reason = `it answered ${status}`
    if (error !== undefined) reason = error
    else if (status === 200) reason = `its response has no token: ${message}`
    if (error_description !== undefined) reason += ` (${error_description})`
    // An endpoint that ignores the header answers invalid_request, since it sees no client.
    const refused = status === 401 || error === 'invalid_client' || error === 'invalid_request'
    const Kind = refused ? ClientRefusedError : ProxyError
    return new Kind('ERR_TOKEN', this.#message(reason))
  }

  #error(reason: string, options?: ErrorOptions): ProxyError {
    return new ProxyError('ERR_TOKEN', this.#message(reason), options)
  }

  /** The reason comes from the endpoint: it may hold line breaks, any length, or the secret. */
  #message(reason: string): string {
    const { clientSecret, tokenUrl } = this.#options
    const shown = clientSecret === '' ? reason : reason.replaceAll(clientSecret, '…')
    const line = shown.replace(/[\s\p{Cc}]+/gu, ' ').slice(0, maxReason)
    return `no access token from ${tokenUrl.host}: ${line}`
  }
}

/** The error that oauth4webapi throws. The last two members come from the endpoint. */
interface LibraryError {
  message: string
  error?: string
  error_description?: string
}

/** The endpoint refused the credentials. It may accept them in the body. */
class ClientRefusedError extends ProxyError {}

/** Encodes as application/x-www-form-urlencoded (RFC 6749, 2.3.1). */
const formEncode = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1)
