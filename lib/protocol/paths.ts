// The paths of the members that the proxy reads or rewrites in a message. A path is a list of
// member names, from the root of the message.

import { metaKeys } from './meta-keys.ts'

export const paths = {
  params: ['params'],
  meta: ['params', '_meta'],
  /** The id of a request or a response. */
  id: ['id'],
  /** The progress token in a request. Its progress notifications carry the same token. */
  requestToken: ['params', '_meta', 'progressToken'],
  /** The progress token in a progress notification. */
  progressToken: ['params', 'progressToken'],
  /** The id of the cancelled request, in `notifications/cancelled`. */
  cancelledId: ['params', 'requestId'],
  /** The log level in a `logging/setLevel` request, and in a log message. */
  level: ['params', 'level'],
  /** The resource in a request to subscribe or unsubscribe, and in a notification of its update. */
  uri: ['params', 'uri'],
  /** The revision that a client asks for in `initialize`. */
  askedVersion: ['params', 'protocolVersion'],
  /** The revision in the response to `initialize`. The session uses this revision. */
  agreedVersion: ['result', 'protocolVersion'],

  /** The name of the tool in `tools/call`. */
  toolName: ['params', 'name'],
  /** The name of the prompt in `prompts/get`. */
  promptName: ['params', 'name'],
  /** What `completion/complete` completes: the type, and the prompt or the resource template. */
  completedType: ['params', 'ref', 'type'],
  completedPrompt: ['params', 'ref', 'name'],
  completedResource: ['params', 'ref', 'uri'],
  /** The lists in the responses to requests for lists. */
  /** Whether the tool has failed, in the response to `tools/call`. */
  toolFailed: ['result', 'isError'],
  tools: ['result', 'tools'],
  prompts: ['result', 'prompts'],
  resources: ['result', 'resources'],
  templates: ['result', 'resourceTemplates'],
  /** The cursor of the next page in the response to a request for a list. */
  nextCursor: ['result', 'nextCursor'],

  // MCP revision 2026-07-28.
  /** The revisions in the response to `server/discover`. */
  supportedVersions: ['result', 'supportedVersions'],
  /** What the client can do, in each request. */
  clientCapabilities: ['params', '_meta', metaKeys.clientCapabilities],
  /** The log level in a request. The client wants log messages of this level and above. */
  requestLogLevel: ['params', '_meta', metaKeys.logLevel],
  /** The resources in `subscriptions/listen`. */
  listenedResources: ['params', 'notifications', 'resourceSubscriptions'],
  /** The subscription id in a notification that belongs to a subscription. */
  subscription: ['params', '_meta', metaKeys.subscriptionId],
  /** The subscription id in the response that ends a subscription. */
  endedSubscription: ['result', '_meta', metaKeys.subscriptionId]
}
