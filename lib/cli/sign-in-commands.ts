// Runs `login URL`, `logout URL` and `tokens`. They work on the tokens that all processes of the user
// share. Nothing that they print is secret.

import { createInterface } from 'node:readline'
import type { ClientConfig, SignInConfig } from '../config/config.ts'
import { describe, ProxyError } from '../errors.ts'
import { askForChallenge } from '../http-client/auth/sign-in/ask-for-challenge.ts'
import { AuthRequests } from '../http-client/auth/sign-in/auth-requests.ts'
import { revoke } from '../http-client/auth/sign-in/revoke.ts'
import { storeFolder } from '../http-client/auth/sign-in/store-folder.ts'
import { listStored } from '../http-client/auth/sign-in/token-store.ts'
import { readProof } from '../proxy/read-proof.ts'
import { createSignIn, createStore } from '../proxy/sign-in.ts'
import type { SignInSettings } from '../proxy/sign-in.ts'
import { tell } from '../tell.ts'
import { toLine } from '../text.ts'

/** How long `logout` waits for a process that signs in, in ms. */
const maxWait = 3000

/** Signs in at the server. Resolves to the text to print. */
export async function login(config: ClientConfig): Promise<string> {
  const { url, headers } = config.server
  const own = signInOf(config)
  const settings = settingsOf(config)
  const signIn = await createSignIn(own, url, { ...settings, ...readLines() })
  await signIn.signIn(await askForChallenge({ ...settings, url, headers }))
  return `signed in at ${url.origin}\n`
}

/** Revokes and removes the tokens of the server. Resolves to the text to print. */
export async function logout(config: ClientConfig): Promise<string> {
  const { url } = config.server
  const own = signInOf(config)
  const { connectTimeout: timeout, ...agent } = settingsOf(config)
  const store = createStore(own, url)
  const late = new AbortController()
  const { signal } = late
  const onTime = (): void =>
    late.abort(new ProxyError('ERR_TOKEN', 'another process signs in at this server just now'))
  const timer = setTimeout(onTime, maxWait)
  return store
    .exclusively(async () => {
      // A file that is damaged is removed too.
      const grant = await store.load().catch(() => undefined)
      if (!(await store.remove())) return `not signed in at ${url.origin}\n`
      const done = `signed out at ${url.origin}`
      if (grant === undefined) return `${done}\n`
      const requests = new AuthRequests({ server: url, agent, timeout, signal })
      let note: string
      try {
        const isRevoked = await revoke(requests, grant, { ...own, ...(await readProof(own)) })
        note = isRevoked ? '' : ', which does not offer to revoke tokens'
      } catch (error) {
        note = `, but its tokens may stay valid: ${describe(error)}`
      }
      await requests.close()
      return `${done}${note}\n`
    }, signal)
    .finally(() => clearTimeout(timer))
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

function settingsOf(config: ClientConfig): SignInSettings & { connectTimeout: number } {
  const { verify, ca, cert, key, limits } = config
  const { connectTimeout, loginTimeout } = limits
  return { verify, ca, cert, key, connectTimeout, loginTimeout }
}

/** On a terminal, the person can paste the address of the page that the browser cannot open. */
function readLines(): Pick<SignInSettings, 'readLines'> {
  if (!process.stdin.isTTY) return {}
  return {
    readLines: (onLine) => {
      tell('if the browser is on another machine, paste the address that it cannot open')
      const lines = createInterface({ input: process.stdin })
      lines.on('line', (line) => {
        if (line.trim() === '' || onLine(line)) return
        tell('this is not the address of this sign-in')
      })
      return () => lines.close()
    }
  }
}
