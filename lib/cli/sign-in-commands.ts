// Runs `login URL`, `logout URL` and `tokens`. They work on the tokens that all processes of the user
// share. Nothing that they print is secret.

import type { ClientConfig, SignInConfig } from '../config/config.ts'
import { ProxyError } from '../errors.ts'
import { storeFolder } from '../http-client/auth/sign-in/store-folder.ts'
import { listStored } from '../http-client/auth/sign-in/token-store.ts'
import { createSignIn, createStore } from '../proxy/sign-in.ts'
import { toLine } from '../text.ts'

/** Signs in at the server. Resolves to the text to print. */
export async function login(config: ClientConfig): Promise<string> {
  const { verify, ca, cert, key, limits, server } = config
  const { connectTimeout, loginTimeout } = limits
  const options = { verify, ca, cert, key, connectTimeout, loginTimeout }
  await createSignIn(signInOf(config), server.url, options).signIn()
  return `signed in at ${server.url.origin}\n`
}

/** Removes the tokens of the server. Resolves to the text to print. */
export async function logout(config: ClientConfig): Promise<string> {
  const { url } = config.server
  const store = createStore(signInOf(config), url)
  return (await store.remove())
    ? `signed out at ${url.origin}\n`
    : `not signed in at ${url.origin}\n`
}

/** Resolves to a list of the servers with tokens, one a line. */
export async function tokens(): Promise<string> {
  const all = await listStored(storeFolder())
  if (all.length === 0) return 'no tokens\n'
  return all
    .map(({ server, grant: { issuer, scope, expiresAt, refreshToken } }) => {
      const end = expiresAt === undefined ? 'no end' : `until ${new Date(expiresAt).toISOString()}`
      const renewal = refreshToken === undefined ? '' : ', can be refreshed'
      return `${toLine(`${server}  from ${issuer}  scope: ${scope ?? 'none'}  ${end}${renewal}`)}\n`
    })
    .join('')
}

function signInOf({ credentials }: ClientConfig): SignInConfig {
  if (credentials?.kind === 'signIn') return credentials
  throw new ProxyError('ERR_USAGE', 'login and logout take no other credentials')
}
