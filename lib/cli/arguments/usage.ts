// Makes the error for a mistake in the command line. The command prints the message and exits with
// code 2.

import { ProxyError } from '../../errors.ts'
import { toLine } from '../../text.ts'

/**
 * @param message names the flag and says what to write. A word of the user in it may have line breaks
 */
export function usage(message: string): ProxyError {
  return new ProxyError('ERR_USAGE', toLine(message))
}

export const quote = (text: string): string => JSON.stringify(text)
