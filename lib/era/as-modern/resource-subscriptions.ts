// The resources of one connection that clients are subscribed to. Several clients share one
// subscription of the server.

import { makeFrame } from '../../message/frame.ts'
import type { Frame } from '../../message/frame.ts'
import { jsonRpcVersion } from '../../protocol/json-rpc.ts'
import { methods } from '../../protocol/methods.ts'
import type { SharedServer } from '../../wrappers/share.ts'

interface Entry {
  count: number
  /** Whether the server has agreed. */
  granted: Promise<boolean>
}

export class ResourceSubscriptions {
  readonly #server: SharedServer
  readonly #timeout: number
  readonly #entries = new Map<string, Entry>()

  /** @param timeout how long the server may take to agree, in ms (0: no limit) */
  constructor(server: SharedServer, timeout: number) {
    this.#server = server
    this.#timeout = timeout
  }

  /** Counts one subscriber more. Resolves to whether the server has agreed. */
  add(uri: string): Promise<boolean> {
    let entry = this.#entries.get(uri)
    if (entry === undefined) {
      entry = { count: 0, granted: this.#subscribe(uri) }
      this.#entries.set(uri, entry)
    }
    entry.count++
    return entry.granted
  }

  /** Counts one subscriber less. The last one ends the subscription of the server. */
  delete(uri: string): void {
    const entry = this.#entries.get(uri)
    if (entry === undefined || --entry.count > 0) return
    this.#entries.delete(uri)
    this.#server.sendRequest(methods.unsubscribe, { uri })
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
