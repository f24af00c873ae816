// Sends HTTP requests with `fetch`, as the official MCP client does.

const defaultHeaders = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream'
}

export class FetchSender {
  #origin

  constructor(port) {
    this.#origin = `http://127.0.0.1:${port}`
  }

  /** Resolves to { status, session, bytes, text }. */
  async send(method, path, headers, body) {
    const response = await fetch(this.#origin + path, {
      method,
      body: method === 'POST' ? body : undefined,
      headers: { ...defaultHeaders, ...headers }
    })
    const text = await response.text()
    const session = response.headers.get('mcp-session-id')
    return { status: response.status, session, bytes: text.length, text }
  }

  close() {}
}
