// Responses that the proxy makes. A response repeats the id of its request as the client wrote it:
// parsing a large number and writing it again would change it.

import { valueText } from '../json/find-value.ts'
import { splice } from '../json/splice.ts'
import type { Replacement } from '../json/splice.ts'
import { Frame } from './frame.ts'

/** The response with the id of `request`, byte for byte. */
export function answerTo(request: Frame, response: Frame, others: Replacement[] = []): Frame {
  const bytes = splice(response.bytes, [{ path: ['id'], text: idText(request) }, ...others])
  return new Frame(bytes, { ...response, id: request.id })
}

/** The id of a request, as the client wrote it. */
export const idText = (request: Frame): string => valueText(request.bytes, ['id']) as string
