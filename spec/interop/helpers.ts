// Helpers for tests of the built command: they start the proxy and other servers, and open sessions
// through the proxy with the clients of `fixtures/clients/raw.js`.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { httpClient, sseClient, stdioClient } from '../../fixtures/clients/raw.js'
import type { HttpClient, SseClient, StdioClient } from '../../fixtures/clients/raw.js'

const pathOf = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url))
const packageFile = (name: string): string =>
  pathOf(`node_modules/@modelcontextprotocol/server-${name}/dist/index.js`)

/** The file of the command. `npm run build:js` must have made `dist` before. */
export const command = pathOf('bin/mcp-proxy.js')
export const node = process.execPath

/** Name → the arguments with which Node starts this server. */
export const servers = {
  demo: [pathOf('fixtures/servers/demo.js'), '--page-size', '2'],
  misbehaving: [pathOf('fixtures/servers/misbehaving.js')],
  everything: [packageFile('everything')],
  filesystem: [packageFile('filesystem')],
  memory: [packageFile('memory')]
}
export type ServerName = keyof typeof servers

/** The variables that a user's shell passes on, without those of the test runner. */
export const environment: Record<string, string> = Object.fromEntries(
  ['PATH', 'HOME', 'TMPDIR', 'SystemRoot', 'TEMP'].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  })
)

export interface Proxy {
  /** The Streamable HTTP URL of the default server, or of a named one. */
  mcp(name?: string): string
  /** The HTTP+SSE URL. */
  sse(name?: string): string
  /** The log so far. */
  stderr: string
  /** Sends SIGTERM, and resolves to the exit code and the signal. */
  close(): Promise<unknown[]>
}

/** Starts server mode on a free port. The proxy stops at the end of the test. */
export async function startProxy(t: Test, ...args: string[]): Promise<Proxy> {
  const child = spawn(node, [command, '--port', '0', ...args], {
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe']
  })
  const closed = once(child, 'close')
  let base = ''
  const proxy: Proxy = {
    mcp: (name) => `${base}${name === undefined ? '' : `servers/${name}/`}mcp`,
    sse: (name) => `${base}${name === undefined ? '' : `servers/${name}/`}sse`,
    stderr: '',
    close: () => {
      child.kill()
      return closed
    }
  }
  t.teardown(proxy.close)
  await new Promise<void>((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      proxy.stderr += `${line}\n`
      const [, url] = /(http:\/\/[\d.:]+\/)\S*mcp and /.exec(line) ?? []
      if (url === undefined || base !== '') return
      base = url
      resolve()
    })
    child.once('close', () => reject(new Error(`the proxy did not start: ${proxy.stderr}`)))
  })
  return proxy
}

export type AnyClient = HttpClient | SseClient | StdioClient

/** Every way to open a session on a proxy. A second proxy in client mode is between in two of them. */
export const connectors: Record<
  'Streamable HTTP' | 'HTTP+SSE' | 'a second proxy' | 'a second proxy over HTTP+SSE',
  (proxy: Pick<Proxy, 'mcp' | 'sse'>) => Promise<AnyClient>
> = {
  'Streamable HTTP': async (proxy) => httpClient(proxy.mcp()),
  'HTTP+SSE': async (proxy) => sseClient(proxy.sse()),
  'a second proxy': async (proxy) => startClientMode(proxy.mcp()),
  'a second proxy over HTTP+SSE': async (proxy) =>
    startClientMode('--transport', 'sse', proxy.sse())
}

/** Starts client mode. The result is the client at its stdin and stdout. */
export function startClientMode(...args: string[]): StdioClient {
  return stdioClient(node, [command, ...args], { env: environment })
}

/** Initializes a client, and closes it at the end of the test. */
export async function openSession<Client extends AnyClient>(
  t: Test,
  client: Client,
  params?: object
): Promise<Client> {
  t.teardown(() => ('end' in client ? client.end() : client.close()))
  await client.initialize(params)
  return client
}

/** The processes of a session with `misbehaving.js`. The child ignores SIGTERM. */
export async function processesOf(
  client: AnyClient
): Promise<{ server: number; parent: number; child: number }> {
  const { result: forked } = await client.request('test/fork', { stubborn: true, inherit: true })
  const { result: own } = await client.request('test/pids')
  return { server: own.pid, parent: own.ppid, child: forked.pid }
}

/** Starts server-everything on one of its own HTTP transports. */
export async function serveEverything(transport: 'streamableHttp' | 'sse'): Promise<{
  url: string
  close(): Promise<unknown>
}> {
  // The server needs a port number. Another process may take the free port first: then try again.
  for (;;) {
    const port = await freePort()
    const child = spawn(node, [...servers.everything, transport], {
      env: { ...environment, PORT: String(port) },
      stdio: ['ignore', 'ignore', 'pipe']
    })
    const closed = once(child, 'close')
    const listens = new Promise<boolean>((resolve) => {
      createInterface(child.stderr).on('line', (line) => line.includes('port') && resolve(true))
      void closed.then(() => resolve(false))
    })
    if (!(await listens)) continue
    const close = (): Promise<unknown> => {
      child.kill()
      return closed
    }
    return { url: `http://127.0.0.1:${port}/${transport === 'sse' ? 'sse' : 'mcp'}`, close }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
