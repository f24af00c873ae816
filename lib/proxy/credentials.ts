// Makes what authenticates the proxy at a server from the configuration. Loads only what the
// configuration needs.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Dispatcher } from 'undici'
import type { CredentialsConfig } from '../config/config.ts'
import type { Credentials } from '../http-client/auth/credentials.ts'
import { readProof } from './read-proof.ts'
import type { SignInSettings } from './sign-in.ts'

/** @throws ProxyError `ERR_CONFIG` if a file with a secret cannot be read */
export async function makeCredentials(
  config: CredentialsConfig,
  server: URL,
  settings: SignInSettings
): Promise<Credentials> {
  if (config.kind === 'login') {
    const { login } = await import('../http-client/auth/login.ts')
    return login(config)
  }
  if (config.kind === 'signIn') {
    const { LazySignIn } = await import('../http-client/auth/lazy-sign-in.ts')
    const { storeFolder, storeName } = await import('../http-client/auth/sign-in/store-folder.ts')
    const load = async (): Promise<Credentials> => {
      const { createSignIn } = await import('./sign-in.ts')
      return createSignIn(config, server, settings)
    }
    const name = storeName(server, config.clientId ?? config.clientMetadataUrl ?? '')
    return new LazySignIn(load, existsSync(join(storeFolder(), `${name}.json`)))
  }
  const { clientCredentials } = await import('../http-client/auth/client-credentials.ts')
  const { createAgent } = await import('../http-client/connections/agent.ts')
  const { clientId, tokenUrl } = config
  const { connectTimeout: timeout } = settings
  const dispatcher = (): Promise<Dispatcher> => createAgent({ ...settings, origin: tokenUrl })
  return clientCredentials({
    clientId,
    ...(await readProof(config)),
    tokenUrl,
    dispatcher,
    timeout
  })
}
