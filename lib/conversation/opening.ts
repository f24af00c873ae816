// Makes the messages that open a legacy session: `initialize` and `notifications/initialized`.

import { Frame, makeFrame } from '../message/frame.ts'
import { jsonRpcVersion } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { latestLegacy } from '../protocol/revisions.ts'
import { firstId, proxyInfo } from './ask-server.ts'

const proxyInfoText = JSON.stringify(proxyInfo)

/**
 * Makes the frames that open a session.
 *
 * @param capabilities the client's capabilities, as JSON text. Default: none, so the server may
 * send no requests, except `ping`
 * @param clientInfo the client's name and version, as JSON text (default: those of the proxy)
 */
export function openingFrames(capabilities = '{}', clientInfo = proxyInfoText): Frame[] {
  const params = `{"protocolVersion":"${latestLegacy}","capabilities":${capabilities},"clientInfo":${clientInfo}}`
  const text = `{"jsonrpc":"${jsonRpcVersion}","id":${firstId},"method":"${methods.initialize}","params":${params}}`
  const { initialize: method } = methods
  return [
    new Frame(Buffer.from(text), { kind: 'request', id: firstId, method }),
    makeFrame({ jsonrpc: jsonRpcVersion, method: methods.initialized })
  ]
}
