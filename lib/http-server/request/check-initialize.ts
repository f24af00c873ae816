// Checks `initialize`, which opens a session. The proxy refuses an incomplete one itself, because
// servers differ: some ignore it, and some end.

import { ProxyError } from '../../errors.ts'
import type { Frame } from '../../message/frame.ts'
import { checkInitialize } from '../../message/schemas.ts'
import { methods } from '../../protocol/methods.ts'

export const isInitialize = ({ method }: Frame): boolean => method === methods.initialize

/**
 * Returns the error for a frame that is an invalid `initialize`. Returns undefined for other frames.
 *
 * @throws ProxyError `ERR_FRAME_TOO_LARGE`
 */
export function faultOfInitialize(frame: Frame): ProxyError | undefined {
  const fault = isInitialize(frame) ? checkInitialize(frame.message()) : undefined
  return fault === undefined
    ? undefined
    : new ProxyError('ERR_PARAMS', `${methods.initialize}: ${fault}`)
}
