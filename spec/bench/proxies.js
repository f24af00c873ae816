// The proxies that the bench compares, and how to start each of them.
//
// A proxy in server mode is { name, args, path, tool, shares }: args(port) is its command line, and clients
// reach it at `path`. `tool` is the name of the server's tool, if the proxy changes it. `shares`: one
// server process serves all sessions. A proxy in client mode is { name, args }: args(url) is its command
// line.

import { fileURLToPath } from 'node:url'
import { otherProxies } from './other-proxies.js'

const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url))

export const node = process.execPath
/** The command of this project. */
export const mcpProxy = pathOf('../../bin/mcp-proxy.js')
/** The name of this project's proxy in the tables. */
export const ours = 'mcp-duplex'
/** The same, with one server process for all sessions. */
export const oursShared = `${ours} --shared`

export const stdioServer = [node, pathOf('minimal/stdio-server.js')]
export const httpServer = (port) => [node, pathOf('minimal/http-server.js'), String(port)]

/** Our proxy in server mode, with additional flags. */
export const serverMode = (path, ...flags) => ({
  name: ours,
  args: (port) => [node, mcpProxy, ...flags, '--port', String(port), ...stdioServer],
  path
})

/** Our proxy with one server process for all sessions, with room for the sessions that the bench opens. */
export const sharedMode = {
  ...serverMode('/mcp', '--shared', '--max-sessions', '2000'),
  name: oursShared,
  shares: true
}

/** A server that does nothing: the least that any proxy on node:http needs. */
export const emptyServer = {
  name: 'empty node:http',
  args: (port) => [node, '-e', `require('http').createServer().listen(${port}, '127.0.0.1')`]
}

const minimalProxy = 'minimal proxy'

const minimalServerMode = {
  name: minimalProxy,
  args: (port) => [node, pathOf('minimal/server-proxy.js'), String(port)],
  path: '/'
}

/** Transport → the minimal proxy, then ours. */
const ownProxies = {
  sessions: [minimalServerMode, serverMode('/mcp'), sharedMode],
  sse: [minimalServerMode, serverMode('/sse')],
  modern: [minimalServerMode, serverMode('/mcp')],
  client: [
    { name: minimalProxy, args: (url) => [node, pathOf('minimal/client-proxy.js'), url] },
    { name: ours, args: (url) => [node, mcpProxy, url] }
  ]
}

/**
 * @param transport a key of `transports` in transports.js
 * @param others whether to add the proxies of other projects
 * @param prefix what comes before the command of the minimal proxy and ours: a program that runs it
 * @param nodeFlags flags for the `node` of the minimal proxy and ours
 */
export function proxiesFor(transport, { others, prefix = [], nodeFlags = [] }) {
  const own = ownProxies[transport].map(({ args, ...proxy }) => ({
    ...proxy,
    args: (to) => {
      const [command, ...rest] = args(to)
      return [...prefix, command, ...nodeFlags, ...rest]
    }
  }))
  return [...own, ...(others ? otherProxies(transport, stdioServer) : [])]
}
