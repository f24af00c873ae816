// What all clients of the bench share: the opening of a session, and calls of the one tool. A subclass
// for each transport sends the messages.

export const version = '2025-11-25'
const clientInfo = { name: 'bench', version: '0' }

export class Client {
  #lastId = 0
  #tool

  /** @param tool the name of the server's tool, which some proxies change */
  constructor(tool = 'text') {
    this.#tool = tool
  }

  /** Opens a session. */
  async open() {
    await this.initialize()
    await this.notify('{"jsonrpc":"2.0","method":"notifications/initialized"}')
  }

  /** Sends `initialize`. Resolves when the response has come. */
  initialize() {
    const params = { protocolVersion: version, capabilities: {}, clientInfo }
    return this.request('initialize', JSON.stringify(params))
  }

  /**
   * Calls the tool and resolves to the number of bytes in the response.
   * @param size characters in the result
   * @param progress number of progress notifications before the response
   */
  async call({ size = 16, progress = 0 } = {}) {
    const bytes = await this.request('tools/call', this.paramsOf(size, progress))
    if (bytes < size) throw new Error(`a response of ${bytes} bytes instead of ${size}`)
    return bytes
  }

  paramsOf(size, progress) {
    const meta = progress > 0 ? `,"_meta":{"progressToken":${this.#lastId + 1}}` : ''
    return `{"name":"${this.#tool}","arguments":{"size":${size},"progress":${progress}}${meta}}`
  }

  request(method, params) {
    const id = ++this.#lastId
    return this.send(
      `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${params}}`,
      id,
      method
    )
  }
}
