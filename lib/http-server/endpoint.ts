// What the endpoints of both HTTP transports have in common.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { ProxyError } from '../errors.ts'
import type { LimitOptions } from '../limits.ts'
import type { Log } from '../log.ts'
import { batchVersion } from '../protocol/revisions.ts'
import type { MirroredParams, OnClient } from './client-context.ts'
import type { Sessions } from './sessions.ts'

export interface EndpointOptions extends LimitOptions {
  clients: Sessions
  maxMessage: number
  createId: () => string
  onClient: OnClient
  stateless?: boolean | undefined
  mirroredParams?: MirroredParams | undefined
  log: Log
}

/** @throws ProxyError `ERR_METHOD_NOT_ALLOWED`, with the header that names those that are allowed */
export function allowMethods(
  request: IncomingMessage,
  response: ServerResponse,
  ...methods: string[]
): void {
  if (methods.includes(request.method as string)) return
  response.setHeader('allow', methods.join(', '))
  const message = `${request.method} is not allowed here: use ${methods.join(', ')}`
  throw new ProxyError('ERR_METHOD_NOT_ALLOWED', message)
}

/**
 * No web page can send this type to a stranger without being asked first.
 *
 * @throws ProxyError `ERR_MEDIA_TYPE`
 */
export function requireJson({ headers }: IncomingMessage): void {
  const type = headers['content-type'] ?? ''
  if (type === 'application/json' || /^application\/json\s*(;|$)/i.test(type)) return
  throw new ProxyError('ERR_MEDIA_TYPE', `send application/json, not "${type}"`)
}

export function noBatches(): ProxyError {
  return new ProxyError('ERR_REQUEST', `only sessions of revision ${batchVersion} have batches`)
}
