// Makes responses of the proxy itself. A response repeats the id of its request exactly as the
// client wrote it, because parsing a large number and writing it again would change the number.

import { textAt } from '../json/find-value.ts'
import { splice } from '../json/splice.ts'
import type { Replacement } from '../json/splice.ts'
import { Frame, placeOfId } from './frame.ts'

/**
 * Returns `response` with the id of `request`, byte for byte.
 *
 * @param others more values to replace in the response
 */
export function answerTo(request: Frame, response: Frame, others: Replacement[] = []): Frame {
  const bytes = splice(response.bytes, [{ path: ['id'], text: idText(request) }, ...others])
  return new Frame(bytes, { ...response, id: request.id })
}

/** Returns the JSON text of a request's id, as the client wrote it. */
export const idText = (request: Frame): string => textAt(request.bytes, placeOfId(request))
