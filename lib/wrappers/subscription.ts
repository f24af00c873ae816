// A `subscriptions/listen` request of the modern revision: what it asks for, and the tag that each
// of its notifications carries.

import { CLOSE_BRACE, OPEN_BRACE } from '../json/bytes.ts'
import { findValue, textAt } from '../json/find-value.ts'
import type { Span } from '../json/find-value.ts'
import { pick } from '../json/pick.ts'
import { spliceAt } from '../json/splice.ts'
import { skipBlank } from '../json/walker.ts'
import type { Frame } from '../message/frame.ts'
import { metaKeys } from '../protocol/meta-keys.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import type { Broadcast } from './broadcast.ts'

/** The largest list of resources that the proxy reads, in bytes. */
const maxResources = 64 * 1024

const shape = {
  toolsListChanged: true,
  promptsListChanged: true,
  resourcesListChanged: true
} as const

export class Subscription {
  readonly #methods = new Set<string | undefined>()
  #uris: ReadonlySet<unknown> | undefined

  /** @param filter the place of `params.notifications` in the request */
  constructor(bytes: Buffer, filter: Span | undefined) {
    if (filter === undefined || bytes[filter.start] !== OPEN_BRACE) return
    const object = bytes.subarray(filter.start, filter.end)
    const wanted = pick(object, shape) as Record<keyof typeof shape, unknown>
    if (wanted.toolsListChanged === true) this.#methods.add(methods.toolsChanged)
    if (wanted.promptsListChanged === true) this.#methods.add(methods.promptsChanged)
    if (wanted.resourcesListChanged === true) this.#methods.add(methods.resourcesChanged)
    const list = findValue(object, ['resourceSubscriptions'])
    if (list === undefined || list.end - list.start > maxResources) return
    const uris: unknown = JSON.parse(textAt(object, list))
    if (Array.isArray(uris)) this.#uris = new Set(uris)
  }

  /** Whether the request asks for this notification. */
  wants(broadcast: Broadcast): boolean {
    if (broadcast.method === methods.resourceUpdated) return this.#uris?.has(broadcast.uri) === true
    return this.#methods.has(broadcast.method)
  }
}

/**
 * Returns the notification with the tag of a subscription. A notification with other `params` than
 * an object stays as it is.
 *
 * @param id the id of the `subscriptions/listen` request, as JSON text
 */
export function tagged(frame: Frame, id: string): Frame {
  const tag = `${JSON.stringify(metaKeys.subscriptionId)}:${id}`
  const { bytes } = frame
  const params = findValue(bytes, paths.params)
  const meta = findValue(bytes, paths.meta)
  if (meta !== undefined) return withMember(frame, meta.start, tag)
  const member = `"_meta":{${tag}}`
  if (params !== undefined) return withMember(frame, params.start, member)
  return withMember(frame, skipBlank(bytes, 0), `"params":{${member}}`)
}

/** Returns the frame with one more member in the object at `start`. */
function withMember(frame: Frame, start: number, member: string): Frame {
  const { bytes } = frame
  if (bytes[start] !== OPEN_BRACE) return frame
  const isEmpty = bytes[skipBlank(bytes, start + 1)] === CLOSE_BRACE
  const text = isEmpty ? member : `${member},`
  return frame.withBytes(spliceAt(bytes, [{ start: start + 1, end: start + 1, text }]))
}
