// A legacy client in front of a modern server, with `asLegacy` between them.

import type { Test } from 'tap'
import type { Json } from '../../../fixtures/clients/raw.js'
import { asLegacy } from '../../../lib/era/as-legacy.ts'
import type { AsLegacyOptions } from '../../../lib/era/as-legacy.ts'
import { connectChild } from '../../../lib/stdio/connect-child.ts'
import { fixture } from '../../helpers.ts'
import { Peer } from '../../wrappers/peer.ts'
import { clientOn, TextServer } from '../../wrappers/text-server.ts'
import type { Client } from '../../wrappers/text-server.ts'

/** Joins a client to the modern server of the fixtures. */
export function overFixture(t: Test, options?: AsLegacyOptions): LegacyClient {
  const args = [fixture('servers/modern.js')]
  const server = connectChild({ command: process.execPath, args })
  const client = new LegacyClient(asLegacy(server, options))
  t.teardown(() => client.transport.destroy())
  return client
}

export const everything = {
  elicitation: { form: {}, url: {} },
  sampling: { tools: {} },
  roots: { listChanged: true }
}

export class LegacyClient extends Peer {
  /** Answers the server's requests. Return undefined to send no answer. */
  onRequest: (request: Json) => object | undefined = () => undefined

  /** Starts to answer the server's requests. */
  answer(onRequest: (request: Json) => object | undefined): void {
    this.onRequest = onRequest
    void this.#run()
  }

  /** Resolves to the text of the tool's result, or to the message of the error. */
  async call(name: string, args: object = {}, more: object = {}): Promise<string> {
    const params = { name, arguments: args, ...more }
    const { result, error } = await this.request('tools/call', params)
    return result?.content?.[0]?.text ?? `error: ${error?.message}`
  }

  get questions(): Json[] {
    return this.messages.filter(({ id, method }) => id !== undefined && method !== undefined)
  }

  notifications(method: string): Json[] {
    return this.messages.filter((message) => message.method === method)
  }

  async #run(): Promise<void> {
    for await (const message of this.messages) {
      if (message.method === undefined || message.id === undefined) continue
      const response = this.onRequest(message)
      if (response !== undefined) await this.send({ id: message.id, ...response })
    }
  }
}

export interface Joined {
  server: TextServer
  client: Client
}

/**
 * Joins a client to a server in memory. The server answers `server/discover`, and acknowledges each
 * subscription. `result` makes the results of the other requests, as JSON text.
 */
export function overText(
  t: Test,
  result: (method: string, text: string) => string | undefined = () => undefined,
  options?: AsLegacyOptions
): Joined {
  const server = new TextServer()
  server.onFrame = (frame) => {
    const { kind, id, method = '' } = frame
    if (kind !== 'request') return
    const given = result(method, frame.toString())
    const text = method === 'server/discover' ? (given ?? discovered) : given
    if (text !== undefined) server.say(`{"jsonrpc":"2.0","id":${id},"result":${text}}`)
  }
  const client = clientOn(asLegacy(server, options))
  t.teardown(() => client.port.destroy())
  return { server, client }
}

const discovered =
  '{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"public"}'
