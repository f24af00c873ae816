// Makes the error for a mistake in the command line. The command prints the message and exits with
// code 2.

import { ProxyError } from '../../errors.ts'

/** @param message one line that names the flag and says what to write */
export function usage(message: string): ProxyError {
  return new ProxyError('ERR_USAGE', message)
}

export const quote = (text: string): string => JSON.stringify(text)
