// The undici dispatcher that reaches a server through an HTTP proxy. HTTPS requests go through a
// tunnel. Plain HTTP requests go to the proxy itself. This is undici's EnvHttpProxyAgent, but its
// errors name the proxy.

import type { Agent, buildConnector, Dispatcher } from 'undici'
import { ProxyError } from '../../errors.ts'
import type { HttpProxy } from './environment-proxy.ts'
import { tlsSettings } from './tls.ts'
import type { TlsSettings } from './tls.ts'

export interface ProxyAgentOptions {
  proxy: HttpProxy
  /** The value of NO_PROXY: the hosts that are reached without the proxy. */
  noProxy: string
  /** The settings of connections to the server: TLS, and the time limit in milliseconds. */
  connect: TlsSettings & { timeout: number }
  /**
   * The path of a PEM file with authorities to trust. It also applies to the connection to the
   * proxy.
   */
  ca: string | undefined
  settings: Agent.Options
}

export async function createProxyAgent(options: ProxyAgentOptions): Promise<Dispatcher> {
  const { proxy, noProxy, connect, ca, settings } = options
  const { variable, url, authorization: token } = proxy
  const [
    { default: EnvHttpProxyAgent },
    { default: Pool },
    { default: requestTunnel },
    { readToEnd }
  ] = await Promise.all([
    import('undici/lib/dispatcher/env-http-proxy-agent.js'),
    import('undici/lib/dispatcher/pool.js'),
    import('undici/lib/api/api-connect.js'),
    import('./ended-connections.ts')
  ])
  const { timeout } = connect
  const name = `the proxy ${url.host} (${variable})`

  const proxyError = (text: string, cause?: unknown): ProxyError =>
    new ProxyError('ERR_CONNECTION', text, cause === undefined ? {} : { cause })

  /** Creates a pool of connections to the proxy. */
  const createProxyPool = (origin: string | URL, options: PoolOptions): Dispatcher => {
    const connectToProxy: buildConnector.connector = (target, callback) => {
      options.connect(target, (...[cause, socket]) => {
        if (cause === null) callback(null, socket)
        else callback(proxyError(`cannot reach ${name}`, cause), null)
      })
    }
    return readToEnd(new Pool(origin, { ...settings, connect: connectToProxy }))
  }

  /**
   * Creates a pool of connections to the proxy whose `connect` requests a tunnel. It replaces the
   * `connect` of undici, because the errors of that one do not name the proxy.
   */
  const createTunnels = (origin: URL, options: object): Dispatcher => {
    const pool = createProxyPool(origin, options as PoolOptions)
    const connect = async (request: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData> => {
      const timed = { ...request, headersTimeout: timeout }
      const tunnel = await requestTunnel.call(pool, timed).catch((error: unknown) => {
        if (error instanceof ProxyError) throw error
        throw proxyError(`${name} does not answer`, error)
      })
      if (tunnel.statusCode === 200) return tunnel
      tunnel.socket.on('error', () => {}).destroy()
      throw proxyError(`${name} ${refusal(tunnel.statusCode, request.path)}`)
    }
    return Object.assign(pool, { connect })
  }

  return new EnvHttpProxyAgent({
    ...settings,
    connect,
    // undici applies NO_PROXY. undici reads each missing value from `process.env`, so all three
    // values are set here, even if they are empty.
    httpProxy: url.href,
    httpsProxy: url.href,
    noProxy,
    ...(token !== undefined && { token }),
    // Plain HTTP uses no tunnel, because most proxies refuse tunnels to the ports of plain HTTP.
    proxyTunnel: false,
    requestTls: connect,
    // The TLS options are for the server. Only `ca` (the added authorities) also applies to the
    // proxy.
    proxyTls: { timeout, ...(url.protocol === 'https:' && (await tlsSettings({ ca }))) },
    clientFactory: createTunnels,
    factory: (origin, options) =>
      String(origin) === url.href
        ? createProxyPool(origin, options as PoolOptions)
        : readToEnd(new Pool(origin, options))
  })
}

interface PoolOptions {
  connect: buildConnector.connector
}

function refusal(status: number, target: string): string {
  return status === 407
    ? 'wants other credentials (407): they belong in its URL, http://user:password@host'
    : `answered ${status} to a request for ${target}`
}
