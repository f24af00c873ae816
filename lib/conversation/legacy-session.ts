// The proxy's own session with a legacy server: how it opens, what the server said then, and how
// many clients are subscribed to each resource. `share-sessions` and `asModern` serve many clients
// with such a session. `reconnect` keeps the session of one client, with `SessionState`.

import type { Duplex } from 'node:stream'
import { valueText } from '../json/find-value.ts'
import { Frame, makeFrame } from '../message/frame.ts'
import { jsonRpcVersion } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { isWithin } from '../protocol/resources.ts'
import { latestLegacy } from '../protocol/revisions.ts'
import { proxyInfo, sendInOrder } from './ask-server.ts'

/** The id of `initialize`. Some servers refuse strings. */
const openingId = 0

/**
 * Makes the frames that open a session.
 *
 * @param capabilities the client's capabilities, as JSON text. Default: none, so the server may
 * send no requests, except `ping`
 * @param clientInfo the client's name and version, as JSON text (default: those of the proxy)
 */
export function openingFrames(
  capabilities = '{}',
  clientInfo = JSON.stringify(proxyInfo)
): Frame[] {
  const params = `{"protocolVersion":"${latestLegacy}","capabilities":${capabilities},"clientInfo":${clientInfo}}`
  const text = `{"jsonrpc":"${jsonRpcVersion}","id":${openingId},"method":"${methods.initialize}","params":${params}}`
  const { initialize: method } = methods
  return [
    new Frame(Buffer.from(text), { kind: 'request', id: openingId, method }),
    makeFrame({ jsonrpc: jsonRpcVersion, method: methods.initialized })
  ]
}

export class LegacySession {
  readonly subscribers = new Subscribers()
  readonly #opening: Frame[]
  #initializeResponse: Frame | undefined

  /** The parameters are those of `openingFrames`. */
  constructor(capabilities?: string, clientInfo?: string) {
    this.#opening = openingFrames(capabilities, clientInfo)
  }

  /**
   * Opens the session with a new server.
   *
   * @param timeout how long the server may take for its response, in ms (0: no limit)
   * @throws ProxyError the errors of `ask`
   */
  async open(server: Duplex, timeout: number): Promise<void> {
    this.#initializeResponse = await sendInOrder(server, this.#opening, { timeout })
  }

  /** The server's response to `initialize`. Read this only after `open`. */
  get initializeResponse(): Frame {
    return this.#initializeResponse as Frame
  }

  /** Whether the server's response has a result that is an object. */
  get isValid(): boolean {
    return valueText(this.initializeResponse.bytes, ['result'])?.startsWith('{') === true
  }

  /** The name and version of the server, as JSON text. Undefined if they are no object. */
  get serverInfo(): string | undefined {
    const text = valueText(this.initializeResponse.bytes, ['result', 'serverInfo'])
    return text?.startsWith('{') === true ? text : undefined
  }

  /** Whether a capability of the server is an object or true. */
  offers(...path: string[]): boolean {
    const text = valueText(this.initializeResponse.bytes, ['result', 'capabilities', ...path])
    return text === 'true' || text?.startsWith('{') === true
  }
}

/** How many clients are subscribed to each resource. */
export class Subscribers extends Map<string, number> {
  /** Counts one client more. Returns whether it is the first. */
  add(uri: string): boolean {
    const count = (this.get(uri) ?? 0) + 1
    this.set(uri, count)
    return count === 1
  }

  /** Counts one client less. Returns whether a client is still subscribed. */
  remove(uri: string): boolean {
    const left = (this.get(uri) as number) - 1
    if (left > 0) this.set(uri, left)
    else this.delete(uri)
    return left > 0
  }

  /**
   * Returns the resource of the subscription that an update counts for, or an empty text if there is
   * none. A server may report a part of a resource, and does not say for which subscription. So of
   * all that may be the reason, the update counts for the closest.
   */
  closest(uri: string): string {
    if (this.has(uri)) return uri
    let closest = ''
    for (const root of this.keys()) {
      if (root.length > closest.length && isWithin(uri, root)) closest = root
    }
    return closest
  }
}
