// The envelope of a message: the kind, id, method and other parts that the proxy reads to route it.

import type { ProxyError } from '../errors.ts'
import type { Id, Message } from '../protocol/json-rpc.ts'
import { metaKeys } from '../protocol/meta-keys.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'
import { idIn } from './id.ts'

export interface Envelope {
  readonly kind: 'request' | 'notification' | 'response'
  /** The id of a request or response. An error response to an unreadable message has no id. */
  readonly id?: Id | undefined
  readonly method?: string | undefined
  /** The progress token. A request sets it, and its progress notifications repeat it. */
  readonly progressToken?: Id | undefined
  /** The revision in `_meta`. Only requests and notifications of the modern revision set it. */
  readonly protocolVersion?: string | undefined
  /** The code of an error response. */
  readonly errorCode?: number | undefined
  /** The cause of an error response that the proxy made. Responses of servers have no `failure`. */
  readonly failure?: ProxyError | undefined
}

/**
 * The places of values in the bytes of a message: the index of the first byte of each value, and the
 * index after its last byte. 0: the place is not known, or there is no such value.
 */
export interface Places {
  readonly idStart: number
  readonly idEnd: number
  /** The string or number `params._meta.progressToken`. */
  readonly tokenStart: number
  readonly tokenEnd: number
  /** The string `params.name`. */
  readonly nameStart: number
  readonly nameEnd: number
  /** Whether `params._meta` has the capabilities of the client, as an object. False: it is not known. */
  readonly hasCapabilities: boolean
  /**
   * Whether other parsers also find these values here. Names that are equal, or that differ only in
   * case, make a message unclear (see `routing-members.ts`). False: it is not known.
   */
  readonly isClear: boolean
}

export const unknownPlaces: Places = {
  idStart: 0,
  idEnd: 0,
  tokenStart: 0,
  tokenEnd: 0,
  nameStart: 0,
  nameEnd: 0,
  hasCapabilities: false,
  isClear: false
}

/**
 * @param bytes the message as JSON. Absent if the id and the token in `message` are exact already
 */
export function envelopeOf(message: Message, bytes?: Buffer): Envelope {
  let id = message.id ?? undefined
  if (typeof id === 'number' && bytes !== undefined) id = idIn(bytes, paths.id)
  const { method, params } = message
  if (method === undefined) return { kind: 'response', id, errorCode: message.error?.code }
  const protocolVersion = versionIn(params?._meta)
  if (id === undefined) {
    const progressToken =
      method === methods.progress ? tokenIn(params, bytes, paths.progressToken) : undefined
    return { kind: 'notification', method, progressToken, protocolVersion }
  }
  const progressToken = tokenIn(params?._meta, bytes, paths.requestToken)
  return { kind: 'request', id, method, progressToken, protocolVersion }
}

function versionIn(meta: unknown): string | undefined {
  if (typeof meta !== 'object' || meta === null) return undefined
  const version = (meta as Record<string, unknown>)[metaKeys.protocolVersion]
  return typeof version === 'string' ? version : undefined
}

function tokenIn(
  holder: unknown,
  bytes: Buffer | undefined,
  path: readonly string[]
): Id | undefined {
  if (typeof holder !== 'object' || holder === null) return undefined
  const token = (holder as Record<string, unknown>).progressToken
  if (typeof token !== 'string' && typeof token !== 'number') return undefined
  // Tokens are equal if their values are equal, because the proxy never writes a token.
  const isExact = typeof token === 'string' || Number.isSafeInteger(token) || bytes === undefined
  return isExact ? token : idIn(bytes, path)
}
