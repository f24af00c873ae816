// /status, /healthz and /readyz.

import { test } from 'tap'
import { sseClient } from '../../fixtures/clients/raw.js'
import type { ServerState } from '../../lib/http-server/status-endpoint.ts'
import { until } from '../helpers.ts'
import { getJson, rawConnection, sendRequest, serve } from './helpers.ts'

test('/status, /healthz and /readyz describe the servers', async (t) => {
  const states: Record<string, ServerState> = { default: 'configured', fetch: 'failed' }
  const { listener, session } = await serve(t, { serverStates: () => states })
  const started = Date.now()
  await session()
  const [status, body] = await getJson(t, listener, 'status')
  t.equal(status, 200)
  t.match(body, { server_instances: states, sessions: 1 })
  const { api_last_activity: activity } = body as { api_last_activity: string }
  t.equal(new Date(activity).toISOString(), activity)
  t.ok(Date.parse(activity) >= started)
  t.strictSame(
    (await getJson(t, listener, 'status/'))[1],
    body,
    'a request for the status is no activity'
  )

  t.strictSame(await getJson(t, listener, 'healthz'), [200, { ok: true }])
  t.strictSame(await getJson(t, listener, 'readyz'), [503, { ready: false, failed: ['fetch'] }])
  states.fetch = 'configured'
  t.strictSame(await getJson(t, listener, 'readyz'), [200, { ready: true, failed: [] }])
  for (const path of ['status', 'healthz', 'readyz']) {
    const post = await sendRequest(t, listener, 'POST', path)
    t.equal(post.statusCode, 405)
    t.equal(post.headers.allow, 'GET, HEAD')
    t.equal((await sendRequest(t, listener, 'HEAD', path)).statusCode, 200)
  }
})

test('/status counts the connections of HTTP+SSE', async (t) => {
  const { listener, session } = await serve(t)
  await session()
  const count = async (): Promise<unknown> => {
    const [, body] = await getJson(t, listener, 'status')
    return (body as { active_sse_connections: number }).active_sse_connections
  }
  t.equal(await count(), 0)
  const client = await sseClient(`${listener.url}sse`)
  t.equal(await count(), 1)
  t.match(await getJson(t, listener, 'status'), [200, { sessions: 2 }])
  client.close()
  await until(async () => (await count()) === 0)
})

test('without serverStates the proxy is ready', async (t) => {
  const { listener } = await serve(t)
  t.match(await getJson(t, listener, 'status'), [200, { server_instances: {}, sessions: 0 }])
  t.match(await getJson(t, listener, 'readyz'), [200, { ready: true }])
})

test('a status is one line of JSON, whose length is counted in bytes', async (t) => {
  const { listener } = await serve(t, { serverStates: () => ({ é: 'failed' }) })
  const { socket, text } = rawConnection(t, listener)
  socket.write('GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const all = await text.until('}\n')
  t.match(all, /^HTTP\/1\.1 503 /)
  t.match(all, /content-type: application\/json\r\n/)
  t.match(all, /content-length: 32\r\n/)
  t.ok(all?.endsWith('\r\n\r\n{"ready":false,"failed":["é"]}\n'))
})
