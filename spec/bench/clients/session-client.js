// A client of Streamable HTTP with sessions. The HTTP response to a POST has the JSON-RPC response.

import { Client, version } from './client.js'
import { FetchSender } from './fetch-sender.js'
import { SocketSender } from './socket-sender.js'

export class SessionClient extends Client {
  #sender
  #path
  #session

  /**
   * @param raw raw sockets instead of `fetch`, which takes ten times the time of the proxy
   * @param headers headers of each request
   * @param tool the name of the server's tool, which some proxies change
   */
  constructor({ port, path, raw = true, headers = {}, tool }) {
    super(tool)
    this.#session = headers
    this.#sender = raw ? new SocketSender(port) : new FetchSender(port)
    this.#path = path
  }

  headersOf() {
    return this.#session
  }

  async send(body, _id, method) {
    const { status, session, bytes, text } = await this.post(body, this.headersOf(method))
    if (status >= 300) throw new Error(`${status} ${text}`)
    if (method === 'initialize' && session) {
      const own = { 'mcp-session-id': session, 'mcp-protocol-version': version }
      this.#session = { ...this.#session, ...own }
    } else if (method !== undefined && !text.includes('"result"')) {
      throw new Error(`no result: ${text}`)
    }
    return bytes
  }

  notify(body) {
    return this.send(body)
  }

  post(body, headers) {
    return this.#sender.send('POST', this.#path, headers, body)
  }

  /** Ends the session with a DELETE. */
  async end() {
    await this.#sender.send('DELETE', this.#path, this.#session, '')
  }

  close() {
    this.#sender.close()
  }
}
