// Fetches access tokens with OAuth 2.0 client credentials (RFC 6749, section 4.4). The proxy sends
// the credentials to the token endpoint in a header. If the endpoint refuses this header, the proxy
// sends them in the body, for this token and all later ones. With a key, it sends a signature. The
// OAuth library loads only when the first token is needed.

import type {
  ClientAuth,
  ClientCredentialsGrantRequestOptions,
  TokenEndpointResponse
} from 'oauth4webapi'
import type { Dispatcher } from 'undici'
import { ProxyError } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { userAgent } from '../../version.ts'
import { SharedToken } from './shared-token.ts'
import type { TokenFetcher } from './shared-token.ts'

export interface ClientCredentialsOptions {
  /** The id under which the proxy is registered at the authorization server. */
  clientId: string
  /** The secret that belongs to `clientId`. No error and no log shows it. */
  clientSecret?: string | undefined
  /** The private key that belongs to `clientId`, in PEM or as a JWK, in place of a secret. */
  clientKey?: string | undefined
  /**
   * The token endpoint. The proxy sends the secret to it. With `http:`, anybody on the network path
   * can read the secret.
   */
  tokenUrl: URL
  /**
   * Sends the requests to `tokenUrl`. If this is a function, it is called before the first token
   * request. It is called again only if it failed. The caller of `clientCredentials` destroys the
   * dispatcher.
   */
  dispatcher: Dispatcher | (() => Promise<Dispatcher>)
  /**
   * How long the proxy waits for a token, in milliseconds (default 30 000; 0: no limit). Without a
   * limit, all requests wait for ever if the endpoint does not answer.
   */
  timeout?: number | undefined
  /**
   * Gives the time in milliseconds (default `performance.now`, which no change of the system's
   * clock moves). For tests.
   */
  now?: (() => number) | undefined
}

export function clientCredentials(options: ClientCredentialsOptions): SharedToken {
  return new SharedToken(new TokenEndpoint(options), options.now ?? (() => performance.now()))
}

/** The largest response of the token endpoint that is read, in bytes. A larger one is an error. */
const maxResponse = 1024 * 1024
/** An error shows at most this many characters of the reason that the endpoint gave. */
const maxReason = 300

class TokenEndpoint implements TokenFetcher {
  readonly #options: ClientCredentialsOptions
  readonly #secret: string
  #dispatcher: Promise<Dispatcher> | undefined
  /**
   * True when the endpoint has refused the credentials in the header and accepted them in the body.
   */
  #inBody = false

  constructor(options: ClientCredentialsOptions) {
    this.#options = options
    this.#secret = options.clientSecret ?? ''
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
    const { clientKey: key, tokenUrl } = this.#options
    if (key !== undefined) {
      const { signedByKey } = await import('./client-key.ts')
      const signed = await signedByKey({ key, audience: tokenUrl.href })
      return this.#requestToken(dispatcher, signed, signal)
    }
    if (!this.#inBody) {
      try {
        return await this.#requestToken(dispatcher, this.#basic, signal)
      } catch (error) {
        if (!(error instanceof ClientRefusedError)) throw error
      }
    }
    // Every endpoint must accept Basic authentication (RFC 6749, 2.3.1). But some endpoints accept
    // credentials only in the body, and others do not decode the credentials in the header. So the
    // proxy tries the body second.
    const response = await this.#requestToken(dispatcher, this.#post, signal)
    this.#inBody = true
    return response
  }

  // The library's own `ClientSecretBasic` also encodes hyphens, so it changes a UUID. An endpoint
  // that does not decode the credentials would refuse them. Form encoding keeps hyphens.
  readonly #basic: ClientAuth = (_server, _client, _body, headers) => {
    const { clientId } = this.#options
    const credentials = `${formEncode(clientId)}:${formEncode(this.#secret)}`
    headers.set('authorization', `Basic ${Buffer.from(credentials).toString('base64')}`)
  }

  readonly #post: ClientAuth = (_server, _client, body) => {
    body.set('client_id', this.#options.clientId)
    body.set('client_secret', this.#secret)
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
      // The new error has no cause, because the library's error holds the response, and the
      // response may contain a token.
      throw this.#explain(response.status, error as LibraryError)
    }
  }

  // This method does not use `fetch`. undici's `fetch` takes longer to load than all other parts
  // together. Node's `fetch` may not work with a dispatcher of the installed undici.
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
      const allHeaders = { ...headers, 'user-agent': userAgent, 'accept-encoding': 'identity' }
      const options = { origin, path, method: 'POST', headers: allHeaders, body: form, signal }
      const { statusCode: status, body } = await request.call(dispatcher, options)
      // The response's own headers are dropped. The library does not read the body if the content
      // type is wrong or if there is a `WWW-Authenticate` header.
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
    if (typeof error === 'string') reason = error
    else if (status === 200) reason = `its response has no token: ${message}`
    if (typeof error_description === 'string') reason += ` (${error_description})`
    // An endpoint that ignores the `Authorization` header sees no client, so it answers
    // `invalid_request`.
    const refused = status === 401 || error === 'invalid_client' || error === 'invalid_request'
    const Kind = refused ? ClientRefusedError : ProxyError
    return new Kind('ERR_TOKEN', this.#message(reason))
  }

  #error(reason: string, options?: ErrorOptions): ProxyError {
    return new ProxyError('ERR_TOKEN', this.#message(reason), options)
  }

  /**
   * Builds the error message. The endpoint chose `reason`, so this removes line breaks and the
   * secret, and cuts a long text.
   */
  #message(reason: string): string {
    const { tokenUrl } = this.#options
    const shown = this.#secret === '' ? reason : reason.replaceAll(this.#secret, '…')
    const line = shown.replace(/[\s\p{Cc}]+/gu, ' ').slice(0, maxReason)
    return `no access token from ${tokenUrl.host}: ${line}`
  }
}

/**
 * The error that oauth4webapi throws. `error` and `error_description` are what the endpoint sent, of
 * any type.
 */
interface LibraryError {
  message: string
  error?: unknown
  error_description?: unknown
}

/** The endpoint refused the credentials in the header. It may accept them in the body. */
class ClientRefusedError extends ProxyError {}

/** Encodes a text as application/x-www-form-urlencoded (RFC 6749, 2.3.1). */
const formEncode = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1)
