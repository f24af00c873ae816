// Makes the notification that cancels a request (`notifications/cancelled`).

import { splice } from '../json/splice.ts'
import { makeFrame } from '../message/frame.ts'
import type { Frame } from '../message/frame.ts'
import { jsonOf } from '../message/id.ts'
import { jsonRpcVersion } from '../protocol/json-rpc.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import { paths } from '../protocol/paths.ts'

export function cancellation(requestId: Id, reason: string): Frame {
  const params = { requestId: 0, reason }
  const frame = makeFrame({ jsonrpc: jsonRpcVersion, method: methods.cancelled, params })
  return frame.withBytes(
    splice(frame.bytes, [{ path: paths.cancelledId, text: jsonOf(requestId) }])
  )
}
