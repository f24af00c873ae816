// A subscription of a modern client (`subscriptions/listen`) to a legacy server. The server gets
// `resources/subscribe` for each resource. The client gets an acknowledgement first, and then each
// notification that it asked for, with the id of its request. If the connection ends, the
// subscription moves to another one.

import type { Duplex } from 'node:stream'
import { ProxyError } from '../../errors.ts'
import { OPEN_BRACE } from '../../json/bytes.ts'
import { editObject } from '../../json/edit-object.ts'
import { findValue, textAt, valueText } from '../../json/find-value.ts'
import type { Span } from '../../json/find-value.ts'
import { makeFrame } from '../../message/frame.ts'
import type { Frame } from '../../message/frame.ts'
import { errorFrame } from '../../message/refusal.ts'
import { completeResult, jsonRpcVersion } from '../../protocol/json-rpc.ts'
import { metaKeys } from '../../protocol/meta-keys.ts'
import { methods } from '../../protocol/methods.ts'
import type { Broadcast } from '../../wrappers/broadcast.ts'
import type { ClientRequest } from './modern-port.ts'
import type { Connection } from './connection.ts'
import { resultFrame } from './modern-response.ts'
import { Lease } from './pool.ts'
import type { Group, Pool } from './pool.ts'
import type { ResourceSubscriptions } from './resource-subscriptions.ts'

/** What a client wants to hear of. */
export interface Filter {
  /** The list changes, by their names in the request. */
  lists: (keyof typeof listChanges)[]
  uris: string[]
}

const listChanges = {
  toolsListChanged: { method: methods.toolsChanged, capability: 'tools' },
  promptsListChanged: { method: methods.promptsChanged, capability: 'prompts' },
  resourcesListChanged: { method: methods.resourcesChanged, capability: 'resources' }
}

const listNames = Object.keys(listChanges) as (keyof typeof listChanges)[]

/** The largest number of resources in one subscription. */
const maxUris = 1000
/** The largest filter, in bytes. */
const maxFilter = 1024 * 1024
/** The largest size of the notifications that wait for the acknowledgement together, in bytes. */
const maxEarly = 1024 * 1024

/**
 * Reads what a request subscribes to.
 *
 * @throws ProxyError `ERR_PARAMS` if the filter is invalid or too large
 */
export function readFilter({ bytes }: Frame): Filter {
  const span = findValue(bytes, ['params', 'notifications'])
  if (span === undefined || bytes[span.start] !== OPEN_BRACE) throw invalid('must be an object')
  if (span.end - span.start > maxFilter) throw invalid('is too large')
  const filter = JSON.parse(textAt(bytes, span)) as Record<string, unknown>
  const { resourceSubscriptions: uris = [] } = filter
  const isList = Array.isArray(uris) && uris.every((uri) => typeof uri === 'string')
  if (!isList) throw invalid('has resourceSubscriptions that are no list of strings')
  if (uris.length > maxUris) throw invalid(`has more than ${maxUris} resources`)
  return {
    lists: listNames.filter((name) => filter[name] === true),
    // No server has a resource without a URI.
    uris: [...new Set(uris)].filter((uri) => uri !== '')
  }
}

const invalid = (fault: string): ProxyError =>
  new ProxyError('ERR_PARAMS', `params.notifications ${fault}`)

export class Listen {
  readonly #pool: Pool
  readonly #group: Group
  readonly #client: ClientRequest
  #filter: Filter
  #lease: Lease | undefined
  #port: Duplex | undefined
  #acknowledged = false
  #ended = false
  readonly #onEnd: () => void

  constructor(pool: Pool, group: Group, client: ClientRequest, filter: Filter, onEnd: () => void) {
    this.#pool = pool
    this.#group = group
    this.#client = client
    this.#filter = filter
    this.#onEnd = onEnd
    client.onCancel = () => this.#end()
  }

  /** Subscribes at the server, and acknowledges the subscription when the server has agreed. */
  start(): void {
    const onError = (error: ProxyError): void => {
      if (this.#acknowledged) this.close()
      else this.#finish(errorFrame(0, error))
    }
    const onReady = (connection: Connection): void => {
      this.#open(connection).catch(onError)
    }
    this.#lease = new Lease(this.#group, 'watch', onReady, onError)
    this.#pool.lease(this.#lease)
  }

  /** Ends the subscription with a response (2026-07-28, Subscriptions, Graceful Closure). */
  close(): void {
    const meta = `{"${metaKeys.subscriptionId}":${this.#client.idText}}`
    this.#finish(resultFrame(`{"resultType":"${completeResult}","_meta":${meta}}`))
  }

  async #open(connection: Connection): Promise<void> {
    const { subscriptions } = connection
    const lists = this.#filter.lists.filter((name) =>
      connection.offers(listChanges[name].capability, 'listChanged')
    )
    const asked = connection.offers('resources', 'subscribe') ? this.#filter.uris : []
    const filter: Filter = { lists, uris: asked }
    const early: Frame[] = []
    let earlySize = 0
    const port = connection.server.port((broadcast) => wants(filter, subscriptions, broadcast))
    this.#port = port
    port
      .on('error', () => {})
      .on('data', (frame: Frame) => {
        if (this.#acknowledged) return this.#pass(frame)
        early.push(frame)
        earlySize += frame.bytes.length
        if (earlySize > maxEarly) port.destroy()
      })
    port.once('close', () => {
      for (const uri of filter.uris) subscriptions.delete(uri)
      this.#portOnClose(port)
    })
    const granted = await Promise.all(asked.map((uri) => subscriptions.add(uri)))
    for (const [index, uri] of asked.entries()) if (!granted[index]) subscriptions.delete(uri)
    filter.uris = asked.filter((_, index) => granted[index])
    if (this.#ended || this.#port !== port || this.#acknowledged) return
    this.#filter = filter
    this.#acknowledge()
    for (const frame of early) this.#pass(frame)
  }

  #acknowledge(): void {
    this.#acknowledged = true
    const notifications: Record<string, unknown> = {}
    for (const name of this.#filter.lists) notifications[name] = true
    if (this.#filter.uris.length > 0) notifications.resourceSubscriptions = this.#filter.uris
    const { acknowledged: method } = methods
    this.#pass(makeFrame({ jsonrpc: jsonRpcVersion, method, params: { notifications } }))
  }

  #pass(frame: Frame): void {
    this.#client.notify(withSubscription(frame, this.#client.idText))
  }

  #portOnClose(port: Duplex): void {
    if (this.#ended || this.#port !== port) return
    this.#port = undefined
    const lease = this.#lease as Lease
    this.#pool.release(lease)
    // Otherwise the client has to subscribe again: a server that died could die again and again.
    if (lease.connection?.movesListens === true) this.start()
    else this.close()
  }

  #finish(response: Frame): void {
    this.#client.respond(response)
    this.#end()
  }

  #end(): void {
    this.#ended = true
    this.#client.end()
    this.#port?.destroy()
    this.#pool.release(this.#lease as Lease)
    this.#onEnd()
  }
}

function wants(
  { lists, uris }: Filter,
  subscriptions: ResourceSubscriptions,
  broadcast: Broadcast
): boolean {
  if (broadcast.method === methods.resourceUpdated) {
    return uris.includes(subscriptions.subscriptionFor(broadcast))
  }
  return lists.some((name) => listChanges[name].method === broadcast.method)
}

/** Returns a notification with the id of the subscription in `_meta`. */
function withSubscription(frame: Frame, idText: string): Frame {
  const { bytes } = frame
  const member = `"${metaKeys.subscriptionId}":${idText}`
  const meta = valueText(bytes, ['params', '_meta']) ?? ''
  const own = Buffer.from(meta.startsWith('{') ? meta : '{}')
  const edit = { remove: [metaKeys.subscriptionId], add: [member] }
  const add = [`"_meta":${editObject(own, { start: 0, end: own.length }, edit).toString()}`]
  const params = findValue(bytes, ['params'])
  if (params !== undefined && bytes[params.start] === OPEN_BRACE) {
    return frame.withBytes(editObject(bytes, params, { remove: ['_meta'], add }))
  }
  const root = findValue(bytes, []) as Span
  const all = { remove: ['params'], add: [`"params":{${add.join()}}`] }
  return frame.withBytes(editObject(bytes, root, all))
}
