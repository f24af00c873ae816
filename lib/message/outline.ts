// Reads the parts of a large message that the proxy needs for the envelope (kind, id, method and
// more). Parsing the whole message would take many times its size in memory.

import { pick } from '../json/pick.ts'
import type { Shape } from '../json/pick.ts'
import { metaKeys } from '../protocol/meta-keys.ts'

const shape: Shape = {
  jsonrpc: true,
  id: true,
  method: true,
  params: { progressToken: true, _meta: { progressToken: true, [metaKeys.protocolVersion]: true } },
  result: true,
  error: { code: true, message: true }
}

/**
 * Returns the message like `JSON.parse`, but without the members that the envelope does not need.
 * If the message has an object or array where a string or number belongs, the result has an empty
 * one there.
 *
 * @param bytes valid JSON
 */
export const outlineOf = (bytes: Buffer): unknown => pick(bytes, shape)
