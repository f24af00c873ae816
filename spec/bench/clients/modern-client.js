// A client of Streamable HTTP in revision 2026-07-28, which has no sessions.

import { SessionClient } from './session-client.js'

const version = '2026-07-28'

export class ModernClient extends SessionClient {
  async open() {
    await this.call()
  }

  headersOf(method) {
    return { 'mcp-protocol-version': version, 'mcp-method': method, 'mcp-name': 'text' }
  }

  paramsOf(size, progress) {
    const meta = `"io.modelcontextprotocol/protocolVersion":"${version}","io.modelcontextprotocol/clientCapabilities":{}`
    const params = super.paramsOf(size, progress)
    return params.includes('"_meta":{')
      ? params.replace('"_meta":{', `"_meta":{${meta},`)
      : params.replace(/}$/, `,"_meta":{${meta}}}`)
  }
}
