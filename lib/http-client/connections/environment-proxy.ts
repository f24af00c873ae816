// Finds the HTTP proxy that the environment variable HTTP_PROXY or HTTPS_PROXY names.

import { ProxyError } from '../../errors.ts'

export interface HttpProxy {
  /** The environment variable that names the proxy. */
  variable: string
  url: URL
  /** The value of the header `Proxy-Authorization`. */
  authorization: string | undefined
}

/**
 * @throws ProxyError `ERR_CONFIG` if the variable is not a usable URL. The error does not show the
 * value, because it may contain a password.
 */
export function findProxy(isSecure: boolean, env: NodeJS.ProcessEnv): HttpProxy | undefined {
  const upper = isSecure ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const lower = upper.toLowerCase()
  // As in other programs, the lower-case variable wins, and an empty value means that there is no
  // proxy.
  const variable = env[lower] === undefined ? upper : lower
  const value = env[variable]
  if (!value) return undefined

  const text = /^[a-z][a-z\d+.-]*:\/\//i.test(value) ? value : `http://${value}`
  if (!URL.canParse(text)) throw new ProxyError('ERR_CONFIG', `${variable} is not a URL`)
  const { protocol, host, username, password } = new URL(text)
  if (protocol !== 'http:' && protocol !== 'https:') {
    const message = `${variable}: only http:// and https:// proxies can be used, not ${protocol}//`
    throw new ProxyError('ERR_CONFIG', message)
  }
  const user = `${decode(username)}:${decode(password)}`
  return {
    variable,
    url: new URL(`${protocol}//${host}`),
    authorization: user === ':' ? undefined : `Basic ${Buffer.from(user).toString('base64')}`
  }
}

/** Decodes percent-encoding. A text that is not valid percent-encoding stays unchanged. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
