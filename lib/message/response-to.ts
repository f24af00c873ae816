// Answers that the proxy makes itself. Who asked looks for the id that it wrote, which may be a number
// that cannot be read and written again without loss.

import { valueText } from '../json/find-value.ts'
import { splice } from '../json/splice.ts'
import type { Replacement } from '../json/splice.ts'
import { Frame } from './frame.ts'

/** Makes of a response the answer to `request`: with its id, as it is written there. */
export function answerTo(request: Frame, response: Frame, others: Replacement[] = []): Frame {
  const bytes = splice(response.bytes, [{ path: ['id'], text: idText(request) }, ...others])
  return new Frame(bytes, { ...response, id: request.id })
}

/** The id of a request as it is written. */
export const idText = (request: Frame): string => valueText(request.bytes, ['id']) as string
