// Adds a token to each HTTP request, because the suite cannot send one. Nothing else changes.

import { once } from 'node:events'
import { createServer, request as send } from 'node:http'
import { pipeline } from 'node:stream'

/** Resolves to { url, stop } of a server that forwards to `url`. */
export async function addToken(url, token) {
  const { hostname, port, pathname } = new URL(url)
  const server = createServer((request, response) => {
    const { method, url: path, headers } = request
    const options = { hostname, port, method, path }
    const sent = send({
      ...options,
      headers: { ...headers, authorization: `Bearer ${token}` },
      setHost: false
    })
    sent.on('response', (received) => {
      response.writeHead(received.statusCode, received.headers).flushHeaders()
      pipeline(received, response, () => {})
    })
    sent.on('error', () => response.destroy())
    response.on('close', () => sent.destroy())
    pipeline(request, sent, () => {})
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const stop = () => {
    server.close()
    server.closeAllConnections()
  }
  return { url: `http://127.0.0.1:${server.address().port}${pathname}`, stop }
}
