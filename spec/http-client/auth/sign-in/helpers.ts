// Starts an authorization server, and a sign-in at it.

import type { Test } from 'tap'
import { browse, startAuthorizationServer } from '../../../../fixtures/servers/authorization.js'
import type {
  AuthorizationFixture,
  AuthorizationScript
} from '../../../../fixtures/servers/authorization.js'
import { describe, ProxyError } from '../../../../lib/errors.ts'
import { AuthRequests } from '../../../../lib/http-client/auth/sign-in/auth-requests.ts'
import { SignIn } from '../../../../lib/http-client/auth/sign-in.ts'
import type { SignInOptions } from '../../../../lib/http-client/auth/sign-in.ts'

export interface Started {
  server: AuthorizationFixture
  signIn: SignIn
  /** The URLs that the person saw. */
  shown: URL[]
  /** The codes that the person saw. */
  codes: string[]
  /** Sends a request as the HTTP client does, again after a refusal. */
  call(): Promise<number>
}

export async function start(
  t: Test,
  script?: AuthorizationScript,
  options?: Partial<SignInOptions>
): Promise<Started> {
  const server = await startAuthorizationServer(script)
  t.teardown(() => server.close())
  const shown: URL[] = []
  const codes: string[] = []
  const show = (url: URL, code?: string): void => {
    shown.push(url)
    if (code === undefined) void browse(url).catch(() => {})
    else codes.push(code)
  }
  const signIn = new SignIn({ server: server.url, env: {}, show, ...options })
  const call = async (): Promise<number> => {
    for (let refusals = 0; ; refusals++) {
      const authorization = await signIn.authorize(undefined)
      const headers = authorization === undefined ? {} : { authorization }
      const response = await fetch(server.url, { method: 'POST', headers, body: '{}' })
      const { status } = response
      const received = Object.fromEntries(response.headers)
      const again =
        (status === 401 && refusals === 0 && signIn.refused(authorization, received)) ||
        (status === 403 && refusals < 4 && signIn.insufficient(authorization, received))
      if (!again) return status
    }
  }
  return { server, signIn, shown, codes, call }
}

/** Returns the requests of a sign-in to a server. They end with the test. */
export function openRequests(t: Test, server: URL): AuthRequests {
  const { signal } = new AbortController()
  const requests = new AuthRequests({ server, agent: { env: {} }, timeout: 5000, signal })
  t.teardown(() => requests.close())
  return requests
}

/** Returns the text of the error that the call fails with. */
export async function failure(t: Test, { call, server }: Started): Promise<string> {
  try {
    await call()
  } catch (error) {
    t.type(error, ProxyError)
    t.equal((error as ProxyError).code, 'ERR_TOKEN')
    const text = describe(error)
    t.notMatch(text, /code-|access-|refresh-|secret-|device-\d/, 'no secret is in the error')
    t.notMatch(server.asked.map(({ path }) => path).join(), /access-|refresh-/)
    return text
  }
  t.fail('the call should fail')
  return ''
}
