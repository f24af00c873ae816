// The columns of the matrix: where a fault can happen. A place starts the proxy, and makes clients that
// reach its server through it.

import {
  ModernClient,
  ModernStdioClient,
  SessionClient,
  SseClient,
  StatelessClient,
  StdioClient
} from '../../fixtures/tracked/clients.js'
import { Remote } from '../../fixtures/tracked/remote.js'

/** Server mode. `server` is the era of the stdio server. */
const serverMode = (
  title,
  Client,
  { flags = [], server = 'legacy', path = '/mcp', ...more } = {}
) => ({
  title,
  hasStdio: true,
  hasHttp: true,
  reopens: true,
  async start(cell) {
    cell.base = await cell.serve(cell.options.server?.(cell, server) ?? cell.serverArgs(server), {
      flags
    })
  },
  client: (cell) => new Client(cell.base + path),
  ...more
})

/** Client mode. The server is an HTTP server in this process. */
const clientMode = (title, Client, { url = 'url', ...more } = {}) => ({
  title,
  isRemote: true,
  isClientMode: true,
  async start(cell) {
    cell.remote = await new Remote(cell.ledger.note).up()
    cell.url = cell.options.url?.(cell.remote, url) ?? cell.remote[url]
  },
  client: (cell) => cell.start(Client, cell.url),
  ...more
})

export const places = {
  sessions: serverMode('`/mcp`, sessions', SessionClient, { resumes: true }),
  sse: serverMode('`/sse`', SseClient, { path: '/sse', isSse: true }),
  modern: serverMode('2026-07-28', ModernClient, { server: 'modern', perCall: true }),
  shared: serverMode('`--shared`', SessionClient, {
    flags: ['--shared'],
    resumes: true,
    shared: true
  }),
  stateless: serverMode('`--stateless`', StatelessClient, {
    flags: ['--stateless'],
    perCall: true,
    shared: true
  }),
  'to-modern': serverMode('old client, new server', SessionClient, {
    server: 'modern',
    resumes: true,
    translates: true
  }),
  'to-legacy': serverMode('new client, old server', ModernClient, {
    perCall: true,
    translates: true
  }),
  client: clientMode('client mode, `/mcp`', StdioClient),
  'client-sse': clientMode('client mode, `/sse`', StdioClient, { url: 'sseUrl', isSse: true }),
  'client-modern': clientMode('client mode, 2026-07-28', ModernStdioClient, { isModern: true }),
  both: {
    title: 'client mode to server mode',
    hasStdio: true,
    isClientMode: true,
    joined: true,
    async start(cell) {
      const server = cell.options.server?.(cell, 'legacy') ?? cell.serverArgs('legacy')
      cell.base = await cell.serve(server)
    },
    client: (cell) => cell.start(StdioClient, `${cell.base}/mcp`)
  }
}
