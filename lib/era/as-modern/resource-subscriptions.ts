// The subscriptions of one connection to resources. Several clients share one subscription of the
// server.

import type { Subscribers } from '../../conversation/legacy-session.ts'
import { makeFrame } from '../../message/frame.ts'
import type { Frame } from '../../message/frame.ts'
import { jsonRpcVersion } from '../../protocol/json-rpc.ts'
import { methods } from '../../protocol/methods.ts'
import type { Broadcast } from '../../wrappers/broadcast.ts'
import type { SharedServer } from '../../wrappers/share.ts'

export class ResourceSubscriptions {
  readonly #server: SharedServer
  readonly #subscribers: Subscribers
  readonly #timeout: number
  /** Whether the server has agreed to each subscription. */
  readonly #granted = new Map<string, Promise<boolean>>()

  /** @param timeout how long the server may take to agree, in ms (0: no limit) */
  constructor(server: SharedServer, subscribers: Subscribers, timeout: number) {
    this.#server = server
    this.#subscribers = subscribers
    this.#timeout = timeout
  }

  /** Counts one subscriber more. Resolves to whether the server has agreed. */
  add(uri: string): Promise<boolean> {
    if (this.#subscribers.add(uri)) this.#granted.set(uri, this.#subscribe(uri))
    return this.#granted.get(uri) as Promise<boolean>
  }

  /** Counts one subscriber less. The last one ends the subscription of the server. */
  delete(uri: string): void {
    if (this.#subscribers.remove(uri)) return
    this.#granted.delete(uri)
    this.#server.sendRequest(methods.unsubscribe, { uri })
  }

  /** Returns the resource of the subscription that an update counts for. */
  subscriptionFor(update: Broadcast): string {
    return this.#subscribers.closest(update.uri)
  }

  #subscribe(uri: string): Promise<boolean> {
    const port = this.#server.port(() => false)
    const { subscribe: method } = methods
    return new Promise((resolve) => {
      const settle = (isGranted: boolean): void => {
        clearTimeout(timer)
        resolve(isGranted)
        port.destroy()
      }
      const timer = this.#timeout > 0 ? setTimeout(() => settle(false), this.#timeout) : undefined
      port.on('error', () => {}).on('close', () => settle(false))
      port.on('data', ({ errorCode }: Frame) => settle(errorCode === undefined))
      port.write(makeFrame({ jsonrpc: jsonRpcVersion, id: 0, method, params: { uri } }))
    })
  }
}
