// The connections to a server over HTTP: TLS as the caller wants it, through an HTTP proxy where the
// environment names one. Clients wait for this file to load, so it loads only the parts of undici
// (and node:tls, and the certificates) that the URL at hand needs.

import { readFileSync } from 'node:fs'
import type { SecureContext, SecureContextOptions } from 'node:tls'
import type { Agent, buildConnector, Dispatcher } from 'undici'
import { ProxyError } from '../../errors.ts'
import { limits } from '../../limits.ts'

export interface AgentOptions {
  /** The URL that will be reached. Its scheme decides which proxy and whether TLS is set up. */
  origin: URL
  /** `false`: any certificate is taken. A path: the PEM bundle to trust in place of the system's. */
  verify?: boolean | string | undefined
  /** The path of a PEM file with certificates to trust as well. */
  ca?: string | undefined
  /** The path of our own certificate in PEM form, for servers that ask for one. */
  cert?: string | undefined
  /** The path of its key, where that isn't in the same file. */
  key?: string | undefined
  /** Milliseconds until a connection must be there (30 s; 0: no limit). */
  connectTimeout?: number | undefined
  /** Where HTTP_PROXY, HTTPS_PROXY and NO_PROXY are looked up (the process's). */
  env?: NodeJS.ProcessEnv | undefined
}

/**
 * Gives the dispatcher for requests to `origin`, on as many connections as there are requests at a
 * time. It has `dispatch`, `close` and `destroy`, but not what undici's index adds to the class
 * (`request`, `stream`…).
 *
 * Errors: `ERR_CONFIG` for a file or a proxy URL that cannot be used. Requests fail with undici's
 * errors, and with `ERR_CONNECTION` where the proxy is at fault.
 */
export async function createAgent(options: AgentOptions): Promise<Dispatcher> {
  const { origin, connectTimeout: timeout = limits.connectTimeout, env = process.env } = options
  const secure = origin.protocol === 'https:'
  const connect = { timeout, ...(secure && (await tlsSettings(options))) }
  const proxy = proxyOf(secure, env)
  if (proxy !== undefined) return createProxyAgent(options, proxy, connect)
  // A Pool or a Client load in the same time, and are for one origin only without saying so: they
  // would send to it whatever is meant for another.
  const { default: Agent } = await import('./undici-agent.ts')
  return new Agent({ ...settings, connect })
}

// The time that an idle connection is kept is left at undici's 4 s: many servers close theirs after
// 5 s without announcing it, and a request that meets that moment is lost.
const settings = {
  // A call may run for hours, and be silent all the while.
  headersTimeout: 0,
  bodyTimeout: 0,
  // What a call asks next must not wait behind the call.
  pipelining: 1,
  allowH2: false,
  // Messages are measured where they are put together.
  maxResponseSize: -1
} satisfies Agent.Options

interface HttpProxy {
  /** The variable that names it. */
  variable: string
  url: URL
  /** The value of its `Proxy-Authorization`. */
  authorization: string | undefined
}

function proxyOf(secure: boolean, env: NodeJS.ProcessEnv): HttpProxy | undefined {
  const upper = secure ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const lower = upper.toLowerCase()
  // As elsewhere: lower case wins, and an empty value means no proxy.
  const variable = env[lower] === undefined ? upper : lower
  const value = env[variable]
  if (!value) return undefined

  // The value is in none of these messages: it may hold a password.
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

/** A password with a stray % is taken as it was written. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

async function createProxyAgent(
  { ca, env = process.env }: AgentOptions,
  { variable, url, authorization: token }: HttpProxy,
  connect: TlsSettings & { timeout: number }
): Promise<Dispatcher> {
  const [{ default: EnvHttpProxyAgent }, { default: Pool }, { default: requestTunnel }] =
    await Promise.all([
      import('undici/lib/dispatcher/env-http-proxy-agent.js'),
      import('undici/lib/dispatcher/pool.js'),
      import('undici/lib/api/api-connect.js')
    ])
  const { timeout } = connect
  const name = `the proxy ${url.host} (${variable})`

  const fault = (text: string, cause?: unknown): ProxyError =>
    new ProxyError('ERR_CONNECTION', text, cause === undefined ? {} : { cause })

  /** The connections to the proxy itself. */
  const createProxyPool = (origin: string | URL, options: PoolOptions): Dispatcher => {
    const connectToProxy: buildConnector.connector = (target, callback) => {
      options.connect(target, (...[cause, socket]) => {
        if (cause === null) callback(null, socket)
        else callback(fault(`cannot reach ${name}`, cause), null)
      })
    }
    return new Pool(origin, { ...settings, connect: connectToProxy })
  }

  /** The same for asking it to pass on whatever comes. The errors of undici's agent name no proxy. */
  const createTunnels = (origin: URL, options: object): Dispatcher => {
    const pool = createProxyPool(origin, options as PoolOptions)
    const connect = async (request: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData> => {
      const asked = { ...request, headersTimeout: timeout }
      const tunnel = await requestTunnel.call(pool, asked).catch((error: unknown) => {
        if (error instanceof ProxyError) throw error
        throw fault(`${name} does not answer`, error)
      })
      if (tunnel.statusCode === 200) return tunnel
      tunnel.socket.on('error', () => {}).destroy()
      throw fault(`${name} ${refusal(tunnel.statusCode, request.path)}`)
    }
    return Object.assign(pool, { connect })
  }

  return new EnvHttpProxyAgent({
    ...settings,
    connect,
    // Whether NO_PROXY excepts the origin is undici's to say. The variables are given, empty ones
    // too, since it would look for others in the process's environment.
    httpProxy: url.href,
    httpsProxy: url.href,
    noProxy: env.no_proxy ?? env.NO_PROXY ?? '',
    ...(token !== undefined && { token }),
    // Plain HTTP goes by plain requests: proxies as they are delivered refuse tunnels to its ports.
    proxyTunnel: false,
    requestTls: connect,
    // Whatever was said about certificates was said of the server, all but whom else to trust.
    proxyTls: { timeout, ...(url.protocol === 'https:' && (await tlsSettings({ ca }))) },
    clientFactory: createTunnels,
    factory: (origin, options) =>
      String(origin) === url.href
        ? createProxyPool(origin, options as PoolOptions)
        : new Pool(origin, options)
  })
}

interface PoolOptions {
  connect: buildConnector.connector
}

function refusal(status: number, target: string): string {
  return status === 407
    ? 'wants other credentials (407): they belong in its URL, http://user:password@host'
    : `answered ${status} when asked for ${target}`
}

interface TlsSettings {
  rejectUnauthorized?: boolean
  secureContext?: SecureContext
}

async function tlsSettings(options: Omit<AgentOptions, 'origin'>): Promise<TlsSettings> {
  const { verify = true, ca, cert, key = cert } = options
  const result: TlsSettings = verify === false ? { rejectUnauthorized: false } : {}
  const bundle = typeof verify === 'string' ? verify : undefined
  if ((bundle ?? ca ?? key) === undefined) return result

  const tls: Tls = (await import('node:tls')).default
  const contents: SecureContextOptions = {}
  const trusted: string[] = []
  if (bundle !== undefined) trusted.push(await readCertificates('--verify-ssl', bundle))
  else if (ca !== undefined) trusted.push(...systemCertificates(tls))
  if (ca !== undefined) trusted.push(await readCertificates('--ca', ca))
  if (trusted.length > 0) contents.ca = trusted
  if (key !== undefined) {
    if (cert === undefined) throw new ProxyError('ERR_CONFIG', `--key ${key} needs --cert as well`)
    contents.cert = read('--cert', cert)
    contents.key = read('--key', key)
  }
  try {
    // Made once: to take in all the roots takes 20 ms, and each connection would do it again.
    result.secureContext = tls.createSecureContext(contents)
    return result
  } catch (cause) {
    const message = `--cert ${cert} and --key ${key} are not a certificate and its key (PEM)`
    throw new ProxyError('ERR_CONFIG', message, { cause })
  }
}

/** Node 22.15 and later can say what it trusts by default; those before, what came with them. */
type Tls = typeof import('node:tls') & { getCACertificates?(type: 'default'): string[] }

const systemCertificates = (tls: Tls): readonly string[] =>
  tls.getCACertificates?.('default') ?? tls.rootCertificates

async function readCertificates(flag: string, file: string): Promise<string> {
  const text = read(flag, file)
  const { X509Certificate } = await import('node:crypto')
  try {
    // node:tls passes over what is no certificate, and every server would be refused later.
    new X509Certificate(text)
    return text
  } catch (cause) {
    throw new ProxyError('ERR_CONFIG', `${flag} ${file} holds no certificate (PEM)`, { cause })
  }
}

function read(flag: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new ProxyError('ERR_CONFIG', `${flag} ${file} cannot be read`, { cause })
  }
}
