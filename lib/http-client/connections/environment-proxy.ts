// The HTTP proxy that the environment names, in HTTP_PROXY or HTTPS_PROXY.

import { ProxyError } from '../../errors.ts'

export interface HttpProxy {
  /** The variable that names it. */
  variable: string
  url: URL
  /** The value of the header `Proxy-Authorization`. */
  authorization: string | undefined
}

/** @throws ProxyError `ERR_CONFIG`, without the value: it may hold a password */
export function findProxy(isSecure: boolean, env: NodeJS.ProcessEnv): HttpProxy | undefined {
  const upper = isSecure ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const lower = upper.toLowerCase()
  // As in other programs: lower case wins, and an empty value means no proxy.
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

/** Decodes percent-encoding. A password with a stray % stays as written. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
