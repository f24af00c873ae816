// Makes the sign-in at a server, and the store of its tokens, from the configuration.

import type { SignInConfig } from '../config/config.ts'
import type { AgentOptions } from '../http-client/connections/agent.ts'
import { SignIn } from '../http-client/auth/sign-in.ts'
import type { SignInOptions } from '../http-client/auth/sign-in.ts'
import { canOpenBrowser, showUrl } from '../http-client/auth/sign-in/open-browser.ts'
import { storeFolder } from '../http-client/auth/sign-in/store-folder.ts'
import { TokenStore } from '../http-client/auth/sign-in/token-store.ts'
import { readProof } from './read-proof.ts'

export interface SignInSettings extends Omit<AgentOptions, 'origin'> {
  loginTimeout: number
  /** Whether the proxy is a daemon: no one sees what it prints (default: false). */
  isUnattended?: boolean
  readLines?: SignInOptions['readLines']
}

/** Returns the store of the tokens for the server. */
export const createStore = (config: SignInConfig, server: URL): TokenStore =>
  new TokenStore(storeFolder(), server, config.clientId ?? config.clientMetadataUrl)

/** @throws ProxyError `ERR_CONFIG` if a file with a secret cannot be read */
export async function createSignIn(
  config: SignInConfig,
  server: URL,
  { isUnattended = false, ...settings }: SignInSettings
): Promise<SignIn> {
  const opens = config.browser && canOpenBrowser()
  const { clientId, clientIssuer, clientMetadataUrl, clientCredentials, callbackPort } = config
  return new SignIn({
    ...settings,
    ...(await readProof(config)),
    clientId,
    clientIssuer,
    clientMetadataUrl,
    clientCredentials,
    callbackPort,
    server,
    browser: opens,
    ...(!isUnattended && { show: (url, code) => showUrl(url, code, opens) }),
    advice: `run ${loginCommand(config, server)}`,
    store: createStore(config, server)
  })
}

/** The command that signs in, as an error shows it. The query of the URL may be secret. */
function loginCommand(config: SignInConfig, server: URL): string {
  const { clientId, clientIssuer, clientMetadataUrl } = config
  const url = server.origin + server.pathname + (server.search === '' ? '' : '?…')
  const issuer = clientIssuer === undefined ? '' : ` --client-issuer ${clientIssuer}`
  const id = clientId === undefined ? '' : ` --client-id ${clientId}${issuer}`
  const document =
    clientMetadataUrl === undefined ? '' : ` --client-metadata-url ${clientMetadataUrl}`
  return `mcp-proxy login ${url}${id || document}`
}
