// Listens on loopback for the browser, which comes back with the answer of the authorization server.
// It lives only while it waits, and ends with the first request that has the right `state`.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ProxyError } from '../../../errors.ts'

const path = '/callback'

export class Callback {
  readonly redirectUri: string
  readonly port: number
  readonly #server: Server
  /** Takes an answer, and returns what ends the waiting. Undefined if it is not the right answer. */
  #take: ((params: URLSearchParams) => (() => void) | undefined) | undefined

  private constructor(server: Server) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    this.redirectUri = `http://127.0.0.1:${this.port}${path}`
  }

  /**
   * @param port the port to listen on; 0 is any free one
   * @throws ProxyError `ERR_LISTEN`
   */
  static async open(port: number): Promise<Callback> {
    const server = createServer()
    try {
      await once(server.listen(port, '127.0.0.1'), 'listening')
    } catch (cause) {
      const message = `cannot listen on port ${port} for the browser (see --callback-port)`
      throw new ProxyError('ERR_LISTEN', message, { cause })
    }
    return new Callback(server)
  }

  /** Resolves to the parameters of the answer with this state. Rejects when the signal aborts. */
  async wait(state: string, signal: AbortSignal): Promise<URLSearchParams> {
    signal.throwIfAborted()
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason as Error)
      signal.addEventListener('abort', onAbort, { once: true })
      let isAnswered = false
      this.#take = (params) => {
        if (isAnswered || params.getAll('state').join('\n') !== state) return undefined
        isAnswered = true
        signal.removeEventListener('abort', onAbort)
        return () => resolve(params)
      }
      this.#server.on('request', ({ method, url = '' }, response) => {
        // No text of the request is in the page, because a web page may have made the request.
        const answer = (status: number, text: string): void => {
          response.writeHead(status, {
            'content-type': 'text/html; charset=utf-8',
            'content-security-policy': "default-src 'none'",
            'referrer-policy': 'no-referrer',
            'cache-control': 'no-store',
            connection: 'close'
          })
          response.end(`<!doctype html><title>mcp-proxy</title><p>${text}</p>`)
        }
        if (!url.startsWith(`${path}?`) || method !== 'GET') {
          answer(404, 'There is nothing here.')
          return
        }
        const params = new URLSearchParams(url.slice(path.length))
        const end = this.#take?.(params)
        if (end === undefined) {
          answer(400, 'This is not the answer that mcp-proxy waits for. Start the sign-in again.')
          return
        }
        const failed = params.has('error') || !params.has('code')
        const text = failed
          ? 'The sign-in failed. Look at the output of mcp-proxy. You can close this window.'
          : 'You have signed in. You can close this window and go back to your application.'
        response.on('close', end)
        answer(200, text)
      })
    })
  }

  /**
   * Takes the address to which the browser wanted to come back, or its query. Returns whether it is the
   * answer that the proxy waits for.
   */
  paste(text: string): boolean {
    const params = new URLSearchParams(
      text
        .trim()
        .replace(/^[^?]*\?/, '')
        .replace(/#.*$/, '')
    )
    const end = this.#take?.(params)
    end?.()
    return end !== undefined
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}
