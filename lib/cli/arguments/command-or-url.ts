// Decides the mode. Client mode needs a URL: the first word, or SSE_URL if there is no word. All
// else is server mode. Error messages do not repeat the URL, because it may hold a password.

import { parseHttpUrl } from '../../config/checks.ts'
import { usage } from './usage.ts'

const example = 'http://host:8080/mcp'

/**
 * Returns the URL of the server for client mode, undefined for server mode.
 *
 * @param word the first word that is no flag; '' if there is none
 * @throws ProxyError `ERR_USAGE` if the user meant a URL, but it is not valid
 */
export function readTarget(word: string, env: NodeJS.ProcessEnv): URL | undefined {
  const address = (word || env.SSE_URL || '').trim()
  const url = parseHttpUrl(address)
  if (url !== undefined || address === '') return url
  if (word === '') throw usage(`SSE_URL must be a URL like ${example}`)
  if (/^https?:/i.test(address)) throw usage(`this is not a URL: write it like ${example}`)
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(address)) {
    throw usage(`the URL of a server begins with http:// or https://: write it like ${example}`)
  }
  return undefined
}
