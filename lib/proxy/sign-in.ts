// Makes the sign-in of a person, and the store of its tokens, from the configuration.

import type { SignInConfig } from '../config/config.ts'
import type { AgentOptions } from '../http-client/connections/agent.ts'
import { SignIn } from '../http-client/auth/sign-in.ts'
import { showUrl } from '../http-client/auth/sign-in/open-browser.ts'
import { storeFolder } from '../http-client/auth/sign-in/store-folder.ts'
import { TokenStore } from '../http-client/auth/sign-in/token-store.ts'

export interface SignInSettings extends Omit<AgentOptions, 'origin'> {
  loginTimeout: number
}

/** Returns the store of the tokens for the server. */
export const createStore = (config: SignInConfig, server: URL): TokenStore =>
  new TokenStore(storeFolder(), server, config.clientId ?? config.clientMetadataUrl)

export function createSignIn(config: SignInConfig, server: URL, options: SignInSettings): SignIn {
  const show = (url: URL): void => showUrl(url, config.browser)
  return new SignIn({ ...options, ...config, server, show, store: createStore(config, server) })
}
