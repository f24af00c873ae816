// A client that speaks to a transport without anything between them.

import type { Duplex } from 'node:stream'
import { Inbox } from '../../fixtures/clients/raw.js'
import type { Json } from '../../fixtures/clients/raw.js'
import { makeFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
import type { Id, Message } from '../../lib/protocol/json-rpc.ts'
import { initializeParams } from '../helpers.ts'

export { initializeParams, until } from '../helpers.ts'

/** Speaks as a client to the transport to a server, or as a server to the transport to a client. */
export class Peer {
  /** All messages that came. Ends when the transport closes. */
  readonly messages = new Inbox<Json>()
  /** Resolves when the transport has closed, to the error that closed it. */
  readonly closed: Promise<Error | undefined>
  readonly transport: Duplex
  #lastId = 0

  constructor(transport: Duplex) {
    this.transport = transport
    let failure: Error | undefined
    transport
      .on('data', (frame: Frame) => this.messages.push(frame.message(Infinity)))
      .on('error', (error) => (failure = error))
    this.closed = new Promise((resolve) => transport.once('close', () => resolve(failure)))
    transport.once('close', () => this.messages.end())
  }

  /** Resolves when the transport has taken the message, to false if it failed. */
  send(message: Omit<Message, 'jsonrpc'>): Promise<boolean> {
    const frame = makeFrame({ jsonrpc: '2.0', ...message })
    return new Promise((resolve) => this.transport.write(frame, (error) => resolve(!error)))
  }

  notify(method: string, params: Record<string, unknown> = {}): Promise<boolean> {
    return this.send({ method, params })
  }

  /** Resolves to the whole response; to undefined when the transport closes without one. */
  request(method: string, params: Record<string, unknown> = {}, id?: Id): Promise<Json> {
    const asked = id ?? ++this.#lastId
    void this.send({ id: asked, method, params })
    return this.messages.until((message) => message.id === asked && message.method === undefined)
  }

  async initialize(params: Record<string, unknown> = {}): Promise<Json> {
    const response = await this.request('initialize', { ...initializeParams, ...params })
    await this.notify('notifications/initialized')
    return response
  }
}
