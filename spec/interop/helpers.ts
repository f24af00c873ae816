// What the suites in this directory share: the command as it was built, and what it is run with.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { stdioClient } from '../../fixtures/clients/raw.js'
import type { StdioClient } from '../../fixtures/clients/raw.js'

const pathOf = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url))
const packageFile = (name: string): string =>
  pathOf(`node_modules/@modelcontextprotocol/server-${name}/dist/index.js`)

export const root = pathOf('')
/** The command. It must have been built. */
export const command = pathOf('bin/mcp-proxy.js')
export const node = process.execPath

/** The arguments with which node starts each of the servers that the suites know. */
export const servers = {
  demo: [pathOf('fixtures/servers/demo.js'), '--page-size', '2'],
  rascal: [pathOf('fixtures/servers/rascal.js')],
  everything: [packageFile('everything')],
  filesystem: [packageFile('filesystem')],
  memory: [packageFile('memory')]
}
export type ServerName = keyof typeof servers

/** What a user's shell would pass on. Not how the test runner loads TypeScript and measures. */
export const environment: Record<string, string> = Object.fromEntries(
  ['PATH', 'HOME', 'TMPDIR', 'SystemRoot', 'TEMP'].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  })
)

export interface Proxy {
  process: ChildProcess
  /** Of the default server, or of the one that is named. */
  mcp(name?: string): string
  sse(name?: string): string
  /** What it has logged so far. */
  stderr: string
  /** Tells it to stop, and resolves to its exit code and signal. */
  close(): Promise<unknown[]>
}

/** Starts server mode on a free port. */
export async function startProxy(...args: string[]): Promise<Proxy> {
  const child = spawn(node, [command, '--port', '0', ...args], {
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe']
  })
  const closed = once(child, 'close')
  let base = ''
  const proxy: Proxy = {
    process: child,
    mcp: (name) => `${base}${name === undefined ? '' : `servers/${name}/`}mcp`,
    sse: (name) => `${base}${name === undefined ? '' : `servers/${name}/`}sse`,
    stderr: '',
    close: () => {
      child.kill()
      return closed
    }
  }
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

/** Starts client mode, with a client at its stdin and stdout that does as it is told. */
export function rawThroughProxy(...args: string[]): StdioClient {
  return stdioClient(node, [command, ...args], { env: environment })
}

/** Starts server-everything on its own HTTP transport; resolves to its URL. */
export async function serveEverything(transport: 'streamableHttp' | 'sse'): Promise<{
  url: string
  close(): Promise<unknown>
}> {
  // It takes a port and does not tell one: in the rare case that this one is taken, another is.
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

/** Looks again and again, since the end of somebody else's process is no event here. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10))
}
