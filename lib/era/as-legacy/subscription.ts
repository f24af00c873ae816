// Keeps one subscription at a modern server in step with what a legacy client wants: changes of the
// lists, always, and updates of the resources that it has subscribed to.
//
// A subscription cannot be changed. So for each change, this opens a new one, and cancels the old
// one when the server has acknowledged the new one. No notification is lost in between: until then
// the client gets those of the old one. A subscription that ends is opened again, after a pause that
// doubles up to 30 s.

import { ProxyError } from '../../errors.ts'
import { findValue, scalarAt, stringAt } from '../../json/find-value.ts'
import { editObject } from '../../json/edit-object.ts'
import { isObject } from '../../json/is-object.ts'
import type { Span } from '../../json/find-value.ts'
import type { Log } from '../../log.ts'
import type { Frame } from '../../message/frame.ts'
import { errorCodes } from '../../protocol/error-codes.ts'
import { methods } from '../../protocol/methods.ts'
import { paths } from '../../protocol/paths.ts'
import { pauseBefore } from '../../wrappers/restart-count.ts'
import type { Waiting } from './call.ts'

/** The members of the transport that a subscription uses. */
export interface SubscriptionOwner {
  readonly log: Log
  readonly connectTimeout: number
  /** Sends the proxy's own request to the server. Returns its id. */
  ownRequest(waiting: Waiting, method: string, params: Record<string, unknown>): number
  cancelAtServer(id: number): void
  pass(frame: Frame): void
}

/** Which lists of the server tell of their changes. */
export interface ListChanges {
  toolsListChanged?: true
  promptsListChanged?: true
  resourcesListChanged?: true
}

const changes = { listChanged: true } as const
const listShape = {
  result: { capabilities: { tools: changes, prompts: changes, resources: changes } }
} as const

/** Returns the lists whose changes a server reports, from its response to `server/discover`. */
export function listChangesIn(response: Frame): ListChanges {
  const { capabilities } = response.members(listShape).result as Partial<Record<string, unknown>>
  if (!isObject(capabilities)) return {}
  const reports = (name: string): boolean => {
    const capability = capabilities[name]
    return isObject(capability) && capability.listChanged === true
  }
  return {
    ...(reports('tools') && { toolsListChanged: true }),
    ...(reports('prompts') && { promptsListChanged: true }),
    ...(reports('resources') && { resourcesListChanged: true })
  }
}

/** Called when a change of the subscription has succeeded, or has failed. */
type Done = (error?: ProxyError) => void

/** One `subscriptions/listen` request. */
interface Listen {
  id: number
  uris: ReadonlySet<string>
  /** The changes that wait for this subscription, by the resource. */
  waiting: Map<string, Done[]>
  timer: NodeJS.Timeout | undefined
}

/** The largest number of resources that a client may subscribe to. */
const maxUris = 10_000
/** The largest total length of their URIs, in characters. */
const maxLength = 1024 * 1024

export class Subscription {
  readonly #owner: SubscriptionOwner
  #lists: ListChanges = {}
  readonly #uris = new Set<string>()
  #length = 0
  /** The subscription whose notifications the client gets. */
  #current: Listen | undefined
  /** The subscription that the server has not acknowledged yet. */
  #next: Listen | undefined
  /** The changes that wait until `#next` is acknowledged, by the resource. */
  #waiting = new Map<string, Done[]>()
  #isOutdated = false
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  /** Set when the server has no subscriptions. */
  #refusal: ProxyError | undefined

  constructor(owner: SubscriptionOwner) {
    this.#owner = owner
  }

  /** Subscribes to the changes of these lists. */
  watch(lists: ListChanges): void {
    this.#lists = lists
    this.#change()
  }

  /** Subscribes to a resource. Calls back when the server has agreed, or has not. */
  add(uri: string, done: Done): void {
    if (this.#refusal !== undefined) return done(this.#refusal)
    if (uri === '') return done(new ProxyError('ERR_PARAMS', 'the request names no resource'))
    if (this.#uris.has(uri) && !this.#isPending(uri)) return done()
    if (!this.#uris.has(uri)) {
      if (this.#uris.size === maxUris || this.#length + uri.length > maxLength) {
        return done(new ProxyError('ERR_PARAMS', 'the client has too many subscriptions'))
      }
      this.#uris.add(uri)
      this.#length += uri.length
    }
    const waiting = this.#waiting.get(uri)
    if (waiting === undefined) this.#waiting.set(uri, [done])
    else waiting.push(done)
    this.#change()
  }

  delete(uri: string): void {
    if (!this.#uris.delete(uri)) return
    this.#length -= uri.length
    this.#change()
  }

  /** Handles a notification that belongs to a subscription. */
  onNotification(frame: Frame): void {
    const id = scalarAt(frame.bytes, paths.subscription)
    if (frame.method === methods.acknowledged) {
      if (this.#next?.id === id) this.#onAcknowledged(this.#next as Listen, frame)
    } else if (this.#current?.id === id) {
      this.#owner.pass(withoutTag(frame))
    }
  }

  /** Handles the end of a subscription: the server has cancelled it. */
  onCancelled(id: unknown): void {
    if (this.#current?.id === id || this.#next?.id === id) {
      this.#owner.cancelAtServer(id as number)
      this.#onEnd(id as number, 'the server has cancelled it')
    }
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    for (const listen of [this.#current, this.#next]) {
      if (listen === undefined) continue
      clearTimeout(listen.timer)
      this.#owner.cancelAtServer(listen.id)
    }
    const error = new ProxyError('ERR_CLOSED', 'the client has ended')
    for (const done of this.#takeWaiting()) done(error)
    this.#current = this.#next = undefined
  }

  #isPending(uri: string): boolean {
    return this.#waiting.has(uri) || (this.#next?.waiting.has(uri) ?? false)
  }

  #change(): void {
    if (this.#stopped || this.#refusal !== undefined) return
    if (this.#next !== undefined || this.#timer !== undefined) this.#isOutdated = true
    else this.#open()
  }

  #open(): void {
    this.#isOutdated = false
    const uris = new Set(this.#uris)
    if (uris.size === 0 && Object.keys(this.#lists).length === 0) return this.#closeCurrent()
    const notifications = {
      ...this.#lists,
      ...(uris.size > 0 && { resourceSubscriptions: [...uris] })
    }
    const waiting = this.#waiting
    this.#waiting = new Map()
    const listen: Listen = { id: 0, uris, waiting, timer: undefined }
    this.#next = listen
    listen.id = this.#owner.ownRequest(
      { onResponse: (response) => this.#onEnd(listen.id, reasonOf(response), response.errorCode) },
      methods.listen,
      { notifications }
    )
    const { connectTimeout } = this.#owner
    if (connectTimeout === 0) return
    listen.timer = setTimeout(() => {
      this.#owner.cancelAtServer(listen.id)
      this.#onEnd(listen.id, 'the server took too long to acknowledge it')
    }, connectTimeout)
  }

  #onAcknowledged(listen: Listen, frame: Frame): void {
    clearTimeout(listen.timer)
    this.#failures = 0
    this.#closeCurrent()
    this.#current = listen
    this.#next = undefined
    const agreed = agreedUris(frame)
    for (const [uri, waiting] of listen.waiting) {
      const error = agreed.has(uri)
        ? undefined
        : new ProxyError('ERR_PARAMS', 'the server does not report updates of this resource')
      if (error !== undefined) this.#forget(uri)
      for (const done of waiting) done(error)
    }
    if (this.#isOutdated) this.#open()
  }

  /** A subscription has ended. The proxy opens it again, unless the server does not know the method. */
  #onEnd(id: number, reason: string, errorCode?: number): void {
    const isNext = this.#next?.id === id
    const listen = (isNext ? this.#next : this.#current) as Listen
    clearTimeout(listen.timer)
    if (isNext) this.#next = undefined
    else this.#current = undefined
    this.#owner.log.debug(`a subscription of the client ended: ${reason}`)
    const error = new ProxyError('ERR_HTTP_ANSWER', `the server did not subscribe: ${reason}`)
    for (const [uri, waiting] of listen.waiting) {
      if (!isNext) break // they have been called
      this.#forget(uri)
      for (const done of waiting) done(error)
    }
    if (errorCode === errorCodes.methodNotFound) {
      this.#refusal = error
      for (const done of this.#takeWaiting()) done(error)
    }
    if (this.#refusal !== undefined || this.#next !== undefined) return
    const pause = pauseBefore(++this.#failures + 1)
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      if (this.#next === undefined) this.#open()
    }, pause)
  }

  #forget(uri: string): void {
    if (this.#uris.delete(uri)) this.#length -= uri.length
  }

  #closeCurrent(): void {
    if (this.#current !== undefined) this.#owner.cancelAtServer(this.#current.id)
    this.#current = undefined
  }

  #takeWaiting(): Done[] {
    const all = [...this.#waiting.values(), ...(this.#next?.waiting.values() ?? [])].flat()
    this.#waiting.clear()
    return all
  }
}

/** Why a subscription ended, by its response. */
const reasonOf = ({ bytes, errorCode }: Frame): string => {
  if (errorCode === undefined) return 'the server has ended it'
  return stringAt(bytes, ['error', 'message']) ?? `error ${errorCode}`
}

/** The resources in an acknowledgement whose updates the server will report. */
function agreedUris(frame: Frame): ReadonlySet<unknown> {
  const { params } = frame.message() as { params?: { notifications?: unknown } }
  const notifications = params?.notifications as { resourceSubscriptions?: unknown } | undefined
  const uris = notifications?.resourceSubscriptions
  return new Set<unknown>(Array.isArray(uris) ? uris : [])
}

/** Returns the notification without the id of the subscription, which legacy clients don't know. */
function withoutTag(frame: Frame): Frame {
  const meta = findValue(frame.bytes, ['params', '_meta']) as Span
  const tag = paths.subscription.at(-1) as string
  let bytes = editObject(frame.bytes, meta, { remove: [tag] })
  const rest = findValue(bytes, ['params', '_meta']) as Span
  if (rest.end - rest.start === 2) {
    bytes = editObject(bytes, findValue(bytes, ['params']) as Span, { remove: ['_meta'] })
  }
  return frame.withBytes(bytes)
}
