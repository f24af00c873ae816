// Where the members stand in a message that the proxy rewrites: the names of the members, from the root.

import { metaKeys } from './meta-keys.ts'

export const paths = {
  /** Of a request, and of its response. */
  id: ['id'],
  /** Of a request: the token that its progress notifications carry. */
  requestToken: ['params', '_meta', 'progressToken'],
  /** Of a progress notification. */
  progressToken: ['params', 'progressToken'],
  /** Of a cancellation. */
  cancelledId: ['params', 'requestId'],
  /** Of `logging/setLevel`. */
  level: ['params', 'level'],
  /** Of the response to `initialize`. */
  agreedVersion: ['result', 'protocolVersion'],

  // 2026-07-28.
  /** Of a request: the least level of the log messages that it asks for. */
  requestLogLevel: ['params', '_meta', metaKeys.logLevel],
  /** Of a notification that belongs to a subscription. */
  subscription: ['params', '_meta', metaKeys.subscriptionId],
  /** Of the response that ends a subscription. */
  endedSubscription: ['result', '_meta', metaKeys.subscriptionId]
}
