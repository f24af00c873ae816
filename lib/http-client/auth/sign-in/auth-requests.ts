// Sends the requests of a sign-in to authorization servers. These servers are named by documents
// from the network, so each request has limits: https only if the MCP server has https, no redirect
// to another origin, a bounded size and time, and no private address if the address of the MCP
// server is public.

import { lookup as lookupName } from 'node:dns'
import type { LookupFunction } from 'node:net'
import type { Dispatcher } from 'undici'
import { ProxyError } from '../../../errors.ts'
import { userAgent } from '../../../version.ts'
import { createAgent } from '../../connections/agent.ts'
import type { AgentOptions } from '../../connections/agent.ts'
import { isPrivate } from './private-address.ts'

export interface AuthRequestsOptions {
  /** The URL of the MCP server. */
  server: URL
  /** TLS and the time to open a connection. */
  agent: Omit<AgentOptions, 'origin'>
  /** How long one response may take, in milliseconds (0: no limit). */
  timeout: number
  /** When it aborts, all requests fail with its reason. */
  signal: AbortSignal
}

export interface AuthRequest {
  method: string
  headers?: Record<string, string>
  body?: string | undefined
}

/** The largest response that is read, in bytes. */
const maxResponse = 256 * 1024
const maxRedirects = 3

/** Makes the error of a sign-in. */
export const signInError = (reason: string, options?: ErrorOptions): ProxyError =>
  new ProxyError('ERR_TOKEN', `cannot sign in: ${reason}`, options)

export class AuthRequests {
  readonly #options: AuthRequestsOptions
  /** An agent for each scheme. */
  readonly #agents = new Map<string, Promise<Dispatcher>>()
  #isPublic: Promise<boolean> | undefined

  constructor(options: AuthRequestsOptions) {
    this.#options = options
  }

  /** Sends a request, and reads the response to its end. */
  async send(target: string, request: AuthRequest): Promise<Response> {
    let url = parse(target)
    let count = 0
    for (;;) {
      this.checkScheme(url)
      const { status, body, location } = await this.#exchange(url, request)
      const isRedirect = request.method === 'GET' && status >= 300 && status < 400
      if (!isRedirect || location === undefined) {
        // The OAuth library does not read the body if the content type is wrong or if there is a
        // `WWW-Authenticate` header. So the response has only this header.
        const headers = { 'content-type': 'application/json' }
        const hasBody = body.length > 0 && status !== 204 && status !== 205
        // `Response` refuses such a status.
        if (status > 599) throw signInError(`${nameOf(url)} answered ${status}`)
        return new Response(hasBody ? new Uint8Array(body) : null, { status, headers })
      }
      const next = parse(location, url)
      if (next.origin !== url.origin) {
        throw signInError(`${nameOf(url)} redirects to another origin, ${next.origin}`)
      }
      if (count++ === maxRedirects) throw signInError(`${nameOf(url)} redirects too often`)
      url = next
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(
      [...this.#agents.values()].map(async (agent) => (await agent).destroy())
    )
  }

  /** @throws ProxyError if the scheme of the URL is not safe enough */
  checkScheme(url: URL): void {
    const isAllowed = this.#options.server.protocol === 'http:' && url.protocol === 'http:'
    if (url.protocol !== 'https:' && !isAllowed) {
      throw signInError(`${nameOf(url)} does not use https`)
    }
  }

  async #exchange(url: URL, request: AuthRequest): Promise<Received> {
    const { signal, timeout } = this.#options
    const late = new AbortController()
    const onTime = (): void => late.abort(signInError(`${nameOf(url)} did not answer in time`))
    const timer = timeout > 0 ? setTimeout(onTime, timeout) : undefined
    const either = AbortSignal.any([signal, late.signal])
    try {
      await this.#checkAddress(url)
      return await this.#request(url, request, either).catch((cause: unknown) => {
        if (either.aborted) throw either.reason
        if (cause instanceof ProxyError) throw cause
        throw signInError(`cannot reach ${nameOf(url)}`, { cause })
      })
    } finally {
      clearTimeout(timer)
    }
  }

  // This does not use `fetch`: undici's `fetch` takes long to load, and Node's `fetch` may not work
  // with the installed undici.
  async #request(url: URL, request: AuthRequest, signal: AbortSignal): Promise<Received> {
    const dispatcher = await this.#agentOf(url)
    const { default: send } = await import('undici/lib/api/api-request.js')
    const { method, body = null } = request
    const headers = { ...request.headers, 'user-agent': userAgent, 'accept-encoding': 'identity' }
    const path = url.pathname + url.search
    const options = { origin: url.origin, path, method, headers, body, signal }
    const response = await send.call(dispatcher, options)
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > maxResponse) {
        throw signInError(`the response of ${nameOf(url)} is over ${maxResponse} bytes`)
      }
      chunks.push(chunk)
    }
    const location = [response.headers.location].flat()[0]
    return { status: response.statusCode, body: Buffer.concat(chunks), location }
  }

  async #agentOf(url: URL): Promise<Dispatcher> {
    const known = this.#agents.get(url.protocol)
    if (known !== undefined) return known
    const isPublic = await (this.#isPublic ??= isPublicHost(this.#options.server.hostname))
    const lookup = isPublic ? { lookup: publicLookup } : {}
    const agent = createAgent({ ...this.#options.agent, ...lookup, origin: url })
    this.#agents.set(url.protocol, agent)
    return agent
  }

  /** Checks an address in the URL. `publicLookup` checks the addresses of a name. */
  async #checkAddress(url: URL): Promise<void> {
    if (!isPrivate(url.hostname) || url.hostname === this.#options.server.hostname) return
    const isPublic = await (this.#isPublic ??= isPublicHost(this.#options.server.hostname))
    if (isPublic) throw privateError(nameOf(url))
  }
}

interface Received {
  status: number
  body: Buffer
  location: string | undefined
}

/** The URL as errors show it. Its query may be secret. */
export const nameOf = (url: URL): string => url.origin + url.pathname

const privateError = (name: string): ProxyError =>
  signInError(`${name} has a private address, but the address of the MCP server is public`)

function parse(text: string, base?: URL): URL {
  try {
    return new URL(text, base)
  } catch {
    throw signInError('a server named an address that is not a URL')
  }
}

/** Whether all addresses of a host are public. A host without an address counts as public. */
function isPublicHost(hostname: string): Promise<boolean> {
  return new Promise((resolve) => {
    lookupName(hostname.replace(/^\[(.*)\]$/, '$1'), { all: true }, (error, found) =>
      resolve(error !== null || !found.some(({ address }) => isPrivate(address)))
    )
  })
}

/** Finds the addresses of a name, and fails if one of them is private. */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookupName(hostname, { ...options, all: true }, (error, found) => {
    if (error !== null) callback(error, [])
    else if (found.some(({ address }) => isPrivate(address))) {
      callback(privateError(hostname), [])
    } else if (options.all === true) callback(null, found)
    else callback(null, found[0]?.address as string, found[0]?.family)
  })
}
