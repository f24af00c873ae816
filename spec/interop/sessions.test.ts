// Sessions are isolated. Each has its own process and sees no message of another session. The end of a
// session ends its process and that process's children, and no other.

import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import { ended, isRunning } from '../helpers.ts'
import {
  connectors,
  node,
  openSession,
  processesOf,
  servers,
  startClientMode,
  startProxy
} from './helpers.ts'
import type { AnyClient } from './helpers.ts'

t.setTimeout(120_000)

const misbehaving = ['--', node, ...servers.misbehaving]

const proxy = await startProxy(t, '--close-timeout', '500ms', ...misbehaving)

type Kind = keyof typeof connectors
const kinds = Object.keys(connectors) as Kind[]

async function open(t: Test, kind: Kind = 'Streamable HTTP'): Promise<AnyClient> {
  const client = await connectors[kind](proxy)
  t.teardown(() => endSession(client))
  await client.initialize()
  return client
}

function endSession(client: AnyClient): unknown {
  if ('end' in client) return client.end()
  return 'delete' in client ? client.delete().finally(() => client.close()) : client.close()
}

/** The process ids of the session's server and its child. */
async function pidsOf(client: AnyClient): Promise<number[]> {
  const { server, child } = await processesOf(client)
  return [server, child]
}

const allEnded = (pids: number[]): Promise<unknown> => Promise.all(pids.map(ended))

t.test('sessions that use the same ids get their own responses and progress', async (t) => {
  for (const kind of kinds) {
    const clients = await Promise.all([1, 2, 3].map(() => open(t, kind)))
    await Promise.all(
      clients.map(async (client, at) => {
        const before = client.messages.length
        const responses = await Promise.all(
          Array.from({ length: 20 }, (_, n) => {
            const progressToken = `token ${n}`
            return client.request('test/burst', { count: at + 1, _meta: { progressToken } })
          })
        )
        t.same(new Set(responses.map(({ result }) => result.count)), new Set([at + 1]), kind)
        const progress = client.messages.slice(before).filter(({ params }) => params?.progressToken)
        t.equal(progress.length, 20 * (at + 1), kind)
        t.ok(
          progress.every(({ params }) => params.total === at + 1),
          kind
        )
      })
    )
  }
})

t.test('a server’s request goes to the client of its session', async (t) => {
  const clients = await Promise.all([0, 1, 2].map(() => open(t)))
  for (const [at, client] of clients.entries()) client.onRequest(() => ({ session: at }))
  const responses = await Promise.all(
    clients.map((client) => client.request('test/ask', { method: 'test/session' }))
  )
  t.same(
    responses.map(({ result }) => result.answer.result.session),
    [0, 1, 2]
  )
})

t.test('thirty sessions at once each have their own state', async (t) => {
  const clients = await Promise.all(
    Array.from({ length: 30 }, (_, n) => open(t, n % 2 === 0 ? 'Streamable HTTP' : 'HTTP+SSE'))
  )
  await Promise.all(clients.map((client, n) => client.request('test/state', { set: n })))
  const states = await Promise.all(clients.map((client) => client.request('test/state')))
  t.same(
    states.map(({ result }) => result.state),
    clients.map((_, n) => n)
  )
  t.equal(new Set(states.map(({ result }) => result.pid)).size, 30)
})

t.test('the end of a session ends its processes and no others', async (t) => {
  const ends: Record<Kind, (client: AnyClient) => unknown> = {
    'Streamable HTTP': async (client) => {
      if ('delete' in client) t.equal((await client.delete()).status, 204)
    },
    'HTTP+SSE': (client) => 'connection' in client && client.connection.close(),
    'a second proxy': (client) => 'end' in client && client.end(),
    'a second proxy over HTTP+SSE': (client) => 'end' in client && client.end()
  }
  const others = await Promise.all(kinds.map((kind) => open(t, kind)))
  const otherPids = (await Promise.all(others.map(pidsOf))).flat()
  for (const kind of kinds) {
    const client = await open(t, kind)
    const pids = await pidsOf(client)
    t.ok(pids.every(isRunning), `${kind}: its processes run`)
    await ends[kind](client)
    await allEnded(pids)
    t.ok(otherPids.every(isRunning), `${kind}: the others still run`)
  }
  const states = await Promise.all(others.map((client) => client.request('ping')))
  t.ok(states.every(({ result }) => result !== undefined))
  await Promise.all(others.map(endSession))
  await allEnded(otherPids)
})

t.test('the session ends when its client mode is killed', async (t) => {
  const client = startClientMode('--transport', 'sse', proxy.sse())
  await client.initialize()
  const pids = await pidsOf(client)
  await client.kill('SIGKILL')
  await allEnded(pids)
  t.notOk(pids.some(isRunning), 'no process runs')
})

t.test('requests in an ended session get status 404', async (t) => {
  const client = httpClient(proxy.mcp())
  await client.initialize()
  await client.delete()
  await t.rejects(client.request('ping'), { message: /^HTTP 404/ })
  await t.rejects(client.request('initialize', {}), { message: /^HTTP 404/ })
  client.close()
})

t.test('an idle session ends; a call or an open stream keeps it alive', async (t) => {
  const timeouts = ['--session-timeout', '1s', '--close-timeout', '500ms']
  const proxy = await startProxy(t, ...timeouts, ...misbehaving)
  const start = () => openSession(t, httpClient(proxy.mcp()))
  const calling = await start()
  const call = calling.request('test/sleep', { ms: 3000 })
  const listening = await start()
  const stream = await listening.openGet()
  const idle = await start()
  const listeningPids = await pidsOf(listening)
  await allEnded(await pidsOf(idle))
  t.match((await call).result, { ms: 3000 }, 'the call gets its response')
  t.ok(listeningPids.every(isRunning), 'the session with the stream continues')
  await t.rejects(idle.request('ping'), { message: /^HTTP 404/ })
  t.match(await listening.request('ping'), { result: {} })
  stream.close()
  await allEnded(listeningPids)
})

t.test('all sessions end when the proxy stops', async (t) => {
  const proxy = await startProxy(t, '--close-timeout', '500ms', ...misbehaving)
  const clients = await Promise.all([
    openSession(t, await sseClient(proxy.sse())),
    openSession(t, httpClient(proxy.mcp())),
    openSession(t, httpClient(proxy.mcp()))
  ])
  const pids = (await Promise.all(clients.map(pidsOf))).flat()
  t.same(await proxy.close(), [0, null])
  await allEnded(pids)
  t.notOk(pids.some(isRunning), 'no process runs')
})
