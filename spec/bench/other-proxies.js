// Proxies of other projects, for `--peers`. The bench installs them into a cache below node_modules;
// they are no dependencies of this package.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const npmVersions = { 'mcp-proxy': '6.7.19', supergateway: '4.0.0', 'mcp-remote': '0.15.1' }
const pythonVersion = '0.13.0'
const rustVersion = '0.4.3'

// Names in the tables. Three projects have the same name.
const mcpProxyOfNpm = 'mcp-proxy (npm)'
export const mcpProxyOfPython = 'mcp-proxy (Python)'
export const mcpProxyOfRust = 'mcp-proxy (Rust)'

const cache = fileURLToPath(new URL('../../node_modules/.cache/bench/', import.meta.url))
const node = process.execPath
const bin = (file) => `${cache}node_modules/${file}`
const pythonBin = `${cache}python/bin/mcp-proxy`
const rustBin = `${cache}rust/bin/mcp-proxy`

/**
 * Installs the proxies. Without Python or Rust, or if their registries cannot be reached, those proxies
 * are missing, and a line says so.
 */
export function installOtherProxies() {
  mkdirSync(cache, { recursive: true })
  const packages = Object.entries(npmVersions).map(([name, version]) => `${name}@${version}`)
  run('npm', ['install', '--no-save', '--ignore-scripts', '--prefix', cache, ...packages])
  try {
    if (!existsSync(pythonBin)) {
      run('python3', ['-m', 'venv', `${cache}python`])
      run(`${cache}python/bin/pip`, ['install', '--quiet', `mcp-proxy==${pythonVersion}`])
    }
  } catch (error) {
    skipIfOther(mcpProxyOfPython, error)
  }
  try {
    if (!existsSync(rustBin)) {
      console.log(`building ${mcpProxyOfRust}, which takes some minutes`)
      const version = ['--version', rustVersion, '--locked']
      run('cargo', ['install', 'mcp-proxy', ...version, '--root', `${cache}rust`])
    }
  } catch (error) {
    skipIfOther(mcpProxyOfRust, error)
  }
}

const run = (command, args) => execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })

/** Name in the tables → version. */
export function otherVersions() {
  const { 'mcp-proxy': version, ...rest } = npmVersions
  return {
    [mcpProxyOfNpm]: version,
    ...rest,
    ...(existsSync(pythonBin) && { [mcpProxyOfPython]: pythonVersion }),
    ...(existsSync(rustBin) && { [mcpProxyOfRust]: rustVersion })
  }
}

const names = new Set(Object.keys(otherVersions())).add(mcpProxyOfPython).add(mcpProxyOfRust)

/** Whether the name in a table is that of another project's proxy. */
export const isOther = (name) => names.has(name)

/** Prints that a proxy of another project is skipped, and why. Throws if the proxy is our own. */
export function skipIfOther(name, error, where = '') {
  if (!isOther(name)) throw new Error(`${name} failed${where}`, { cause: error })
  console.log(`skipped: ${name}${where}: ${error.message.split('\n')[0]}`)
}

/** In the form that proxies.js describes. */
export function otherProxies(transport, server) {
  return [
    ...fromNpm[transport](server),
    ...(existsSync(pythonBin) ? fromPython[transport](server) : []),
    ...(existsSync(rustBin) ? fromRust[transport](server) : [])
  ]
}

const npmMcpProxy = (path) => (server) => ({
  name: mcpProxyOfNpm,
  shares: true,
  path,
  args: (port) => [
    node,
    bin('mcp-proxy/dist/bin/mcp-proxy.mjs'),
    ...['--host', '127.0.0.1', '--port', String(port), '--'],
    ...server
  ]
})

const supergateway =
  (path, ...flags) =>
  (server) => ({
    name: 'supergateway',
    path,
    args: (port) => [
      node,
      bin('supergateway/dist/index.js'),
      ...['--stdio', server.join(' '), '--logLevel', 'none', '--port', String(port)],
      ...flags
    ]
  })

const fromNpm = {
  sessions: (server) => [
    npmMcpProxy('/mcp')(server),
    supergateway('/mcp', '--outputTransport', 'streamableHttp', '--stateful')(server)
  ],
  sse: (server) => [
    npmMcpProxy('/sse')(server),
    supergateway('/sse', '--outputTransport', 'sse')(server)
  ],
  modern: (server) => [npmMcpProxy('/mcp')(server)],
  client: () => [
    {
      name: 'mcp-remote',
      args: (url) => [
        node,
        bin('mcp-remote/dist/proxy.js'),
        url,
        '--allow-http',
        '--transport',
        'http-only'
      ]
    },
    {
      name: 'supergateway',
      args: (url) => [
        node,
        bin('supergateway/dist/index.js'),
        '--streamableHttp',
        url,
        '--logLevel',
        'none'
      ]
    }
  ]
}

const pythonMcpProxy = (path) => (server) => [
  {
    name: mcpProxyOfPython,
    path,
    args: (port) => [pythonBin, '--port', String(port), '--', ...server]
  }
]

const fromPython = {
  sessions: pythonMcpProxy('/mcp'),
  sse: pythonMcpProxy('/sse'),
  modern: () => [],
  client: () => [
    { name: mcpProxyOfPython, args: (url) => [pythonBin, '--transport', 'streamablehttp', url] }
  ]
}

/** The name of the server in the configuration. It comes before the name of each tool. */
const backend = 'bench'

const fromRust = {
  sessions: (server) => [
    {
      name: mcpProxyOfRust,
      shares: true,
      path: '/',
      tool: `${backend}/text`,
      args: (port) => [rustBin, '--config', writeRustConfig(server, port)]
    }
  ],
  sse: () => [],
  modern: () => [],
  client: () => []
}

/** Returns the path of the file. A JSON string is also a string of TOML. */
function writeRustConfig([command, ...args], port) {
  const file = `${cache}rust.toml`
  writeFileSync(
    file,
    `[proxy]
name = "bench"
[proxy.listen]
host = "127.0.0.1"
port = ${port}
[observability]
log_level = "error"
[[backends]]
name = "${backend}"
transport = "stdio"
command = ${JSON.stringify(command)}
args = ${JSON.stringify(args)}
`
  )
  return file
}
