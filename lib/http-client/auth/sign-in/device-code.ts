// Signs a person in with a browser on another machine (RFC 8628): the person opens a URL and enters a
// code there, and the proxy asks the token endpoint until the person has consented.

import { setTimeout as sleep } from 'node:timers/promises'
import { toLine } from '../../../text.ts'
import { signInError } from './auth-requests.ts'
import type { PersonOptions, Situation } from './situation.ts'
import { grantFrom } from './grant.ts'
import type { Grant } from './grant.ts'
import { clientOf, libraryOptions } from './library.ts'
import { libraryError } from './library-error.ts'
import { authenticate, register, usableRegistration } from './registration.ts'

/** The bounds of the time between two requests to the token endpoint, in s. */
const minInterval = 1
const maxInterval = 60
/** The time between two requests if the server names none, and how much `slow_down` adds, in s. */
const step = 5
/** An error shows this in place of a longer code. */
const maxCode = 100

/** The browser does not come back, but a registration must name a place. Any port counts there. */
const redirectUri = 'http://127.0.0.1/callback'

export async function signInByDevice(
  { requests, authorizationServer: server, resource, scope, known, signal }: Situation,
  options: PersonOptions
): Promise<Grant> {
  const registration =
    usableRegistration(known, options) ?? (await register(requests, server, redirectUri, options))
  const oauth = await import('oauth4webapi')
  const client = clientOf(oauth, registration.clientId)
  const authentication = await authenticate(registration, options)
  const settings = libraryOptions(oauth, requests, resource)
  const secrets = [options.clientSecret, registration.clientSecret]
  const refused = (status: number, error: unknown): Error =>
    libraryError('the authorization server refused', status, error, secrets)

  const parameters = { resource, ...(scope !== undefined && { scope }) }
  const begun = await oauth.deviceAuthorizationRequest(
    server,
    client,
    authentication,
    parameters,
    settings
  )
  const device = await oauth
    .processDeviceAuthorizationResponse(server, client, begun)
    .catch((error: unknown) => {
      throw refused(begun.status, error)
    })
  secrets.push(device.device_code)
  const address = device.verification_uri_complete ?? device.verification_uri
  if (!URL.canParse(address)) throw signInError('a server named an address that is not a URL')
  const url = new URL(address)
  requests.checkScheme(url)
  options.show?.(url, toLine(device.user_code.slice(0, maxCode)))

  const end = Date.now() + device.expires_in * 1000
  let interval = device.interval ?? step
  for (;;) {
    interval = Math.min(Math.max(interval, minInterval), maxInterval)
    await sleep(interval * 1000, undefined, { signal }).catch(() => signal.throwIfAborted())
    if (Date.now() > end) throw signInError('the code has expired, and nobody has entered it')
    const requestedAt = Date.now()
    const response = await oauth.deviceCodeGrantRequest(
      server,
      client,
      authentication,
      device.device_code,
      settings
    )
    try {
      const tokens = await oauth.processDeviceCodeResponse(server, client, response)
      return grantFrom({ server, resource, registration, scope, port: 0 }, tokens, requestedAt)
    } catch (error) {
      const { error: code } = error as { error?: string }
      if (code === 'slow_down') interval += step
      else if (code !== 'authorization_pending') throw refused(response.status, error)
    }
  }
}
