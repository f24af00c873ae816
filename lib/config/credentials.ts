// Makes the configuration of how the proxy authenticates at a server, from the settings that the command
// line and the config file share.

import type { CredentialsConfig } from './config.ts'

/** The settings. An empty text counts as not given. */
export interface CredentialSettings {
  clientId?: string | undefined
  clientSecret?: string | undefined
  clientSecretFile?: string | undefined
  clientKey?: string | undefined
  clientIssuer?: string | undefined
  clientMetadataUrl?: string | undefined
  clientCredentials?: boolean | undefined
  tokenUrl?: URL | undefined
  username?: string | undefined
  password?: string | undefined
  digest?: boolean | undefined
}

const proofs = ['clientSecret', 'clientSecretFile', 'clientKey'] as const

/**
 * Returns what is wrong with the settings together.
 *
 * @param nameOf returns a setting as the user writes it
 */
export function credentialFault(
  settings: CredentialSettings,
  nameOf: (setting: keyof CredentialSettings) => string
): string | undefined {
  const { username, password, digest, clientId, clientIssuer, tokenUrl, clientCredentials } =
    settings
  if ((username === undefined) !== (password === undefined) || (digest && !username)) {
    return `a login needs ${nameOf('username')} and ${nameOf('password')}`
  }
  const given = proofs.filter((name) => settings[name])
  const [first, second] = given
  if (first !== undefined && second !== undefined) {
    return `${nameOf(first)} and ${nameOf(second)} exclude each other`
  }
  const needsId = first !== undefined || Boolean(tokenUrl ?? clientCredentials)
  if (needsId && !clientId) return `client credentials need ${nameOf('clientId')} too`
  if (clientIssuer && !clientId) return `${nameOf('clientIssuer')} needs ${nameOf('clientId')} too`
  if (first !== undefined || !(tokenUrl ?? clientCredentials)) return undefined
  return `client credentials need one of ${proofs.map(nameOf).join(', ')} too`
}

/** The settings of a daemon: no person can sign in, because no one sees what it prints. */
export const unattended = { browser: false, callbackPort: 0 }

/**
 * @param settings settings without a fault
 * @param atPerson how a person signs in
 */
export function toCredentials(
  settings: CredentialSettings,
  atPerson: { browser: boolean; callbackPort: number }
): CredentialsConfig {
  const { username, password, digest = false, clientId, tokenUrl } = settings
  const { clientSecret, clientSecretFile, clientKey, clientIssuer, clientMetadataUrl } = settings
  const proof = {
    ...(clientSecret && { clientSecret }),
    ...(clientSecretFile && { clientSecretFile }),
    ...(clientKey && { clientKey })
  }
  if (tokenUrl && clientId) return { kind: 'oauth', clientId, ...proof, tokenUrl }
  if (username !== undefined && password !== undefined) {
    return { kind: 'login', username, password, digest }
  }
  return {
    kind: 'signIn',
    ...(clientId && { clientId, ...proof }),
    ...(clientIssuer && { clientIssuer }),
    ...(clientMetadataUrl && { clientMetadataUrl }),
    ...(settings.clientCredentials && { clientCredentials: true }),
    ...atPerson
  }
}
