// Finds who can use a listener without authorization, beside the programs of this machine.

import { isIP } from 'node:net'
import { isLoopback } from '../origin-policy.ts'

/**
 * Returns the warning for a listener without authorization. It says who can use the servers. Returns
 * `undefined` if only the programs of this machine can. A name other than `localhost` counts as an address of the network.
 */
export function exposureOf(host: string, allowOrigins: readonly string[]): string | undefined {
  const isLocal = isIP(host) === 0 ? host.toLowerCase() === 'localhost' : isLoopback(host)
  const callers = [
    ...(isLocal ? [] : [`everyone who reaches ${host}`]),
    ...(allowOrigins.includes('*') ? ['every web page'] : [])
  ]
  if (callers.length === 0) return undefined
  return `${callers.join(' and ')} can use the servers without a token: add --auth-token-file FILE`
}
