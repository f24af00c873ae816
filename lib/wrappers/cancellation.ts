// Makes the notification that cancels a request (`notifications/cancelled`).

import { makeFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { jsonRpcVersion } from '../protocol/json-rpc.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'

export function cancellation(requestId: Id, reason: string): Frame {
  const params = { requestId, reason }
  return makeFrame({ jsonrpc: jsonRpcVersion, method: methods.cancelled, params })
}
