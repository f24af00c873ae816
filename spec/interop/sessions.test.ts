// Sessions are apart: each has a process of its own, nothing of one is seen in another, and the end
// of one ends its process and all that this started, and nobody else's.

import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import type { HttpClient, IdOptions, SseClient, StdioClient } from '../../fixtures/clients/raw.js'
import { ended, isRunning } from '../helpers.ts'
import { node, rawThroughProxy, servers, startProxy } from './helpers.ts'

t.setTimeout(120_000)

const rascal = ['--', node, ...servers.rascal]

const proxy = await startProxy('--close-timeout', '500ms', ...rascal)
t.teardown(proxy.close)

type AnyClient = HttpClient | SseClient | StdioClient

/** Every way to have a session on the same proxy. */
const kinds: Record<string, (options?: IdOptions) => Promise<AnyClient>> = {
  'Streamable HTTP': async (options) => httpClient(proxy.mcp(), options),
  'HTTP+SSE': async (options) => sseClient(proxy.sse(), options),
  'a second proxy': async () => rawThroughProxy(proxy.mcp()),
  'a second proxy over HTTP+SSE': async () => rawThroughProxy('--transport', 'sse', proxy.sse())
}

async function open(t: Test, kind = 'Streamable HTTP'): Promise<AnyClient> {
  const client = (await kinds[kind]?.()) as AnyClient
  t.teardown(() => leave(client))
  await client.initialize()
  return client
}

function leave(client: AnyClient): unknown {
  if ('end' in client) return client.end()
  return 'delete' in client ? client.delete().finally(() => client.close()) : client.close()
}

/** The process of the session's server, and one that it has started, deaf to SIGTERM. */
async function processesOf(client: AnyClient): Promise<number[]> {
  const { result: forked } = await client.request('test/fork', { stubborn: true, inherit: true })
  const { result: own } = await client.request('test/pids')
  return [own.pid, forked.pid]
}

const gone = (pids: number[]): Promise<unknown> => Promise.all(pids.map(ended))

t.test('the same ids at the same time get each their own answers', async (t) => {
  for (const kind of Object.keys(kinds)) {
    const clients = await Promise.all(['a', 'b', 'c'].map(() => open(t, kind)))
    await Promise.all(
      clients.map(async (client, at) => {
        const heard = client.messages.length
        const answers = await Promise.all(
          Array.from({ length: 20 }, (_, n) => {
            const progressToken = `token ${n}`
            return client.request('test/burst', { count: at + 1, _meta: { progressToken } })
          })
        )
        t.same(new Set(answers.map(({ result }) => result.count)), new Set([at + 1]), kind)
        const progress = client.messages.slice(heard).filter(({ params }) => params?.progressToken)
        t.equal(progress.length, 20 * (at + 1), kind)
        t.ok(
          progress.every(({ params }) => params.total === at + 1),
          kind
        )
      })
    )
  }
})

t.test('a question goes to the session that it belongs to', async (t) => {
  const clients = await Promise.all([0, 1, 2].map(() => open(t)))
  for (const [at, client] of clients.entries()) client.onRequest(() => ({ session: at }))
  const answers = await Promise.all(
    clients.map((client) => client.request('test/ask', { method: 'test/who' }))
  )
  t.same(
    answers.map(({ result }) => result.answer.result.session),
    [0, 1, 2]
  )
})

t.test('thirty sessions at once, each with a state of its own', async (t) => {
  const names = Object.keys(kinds).slice(0, 2)
  const clients = await Promise.all(
    Array.from({ length: 30 }, (_, n) => open(t, names[n % names.length]))
  )
  await Promise.all(clients.map((client, n) => client.request('test/state', { set: n })))
  const states = await Promise.all(clients.map((client) => client.request('test/state')))
  t.same(
    states.map(({ result }) => result.state),
    clients.map((_, n) => n)
  )
  t.equal(new Set(states.map(({ result }) => result.pid)).size, 30)
})

t.test('what ends a session ends its processes, and no other’s', async (t) => {
  const ends: Record<string, (client: AnyClient) => unknown> = {
    'Streamable HTTP': async (client) => {
      if ('delete' in client) t.equal((await client.delete()).status, 204)
    },
    'HTTP+SSE': (client) => 'connection' in client && client.connection.close(),
    'a second proxy': (client) => 'end' in client && client.end(),
    'a second proxy over HTTP+SSE': (client) => 'end' in client && client.end()
  }
  const others = await Promise.all(Object.keys(kinds).map((kind) => open(t, kind)))
  const otherPids = (await Promise.all(others.map(processesOf))).flat()
  for (const [kind, end] of Object.entries(ends)) {
    const client = await open(t, kind)
    const pids = await processesOf(client)
    t.ok(pids.every(isRunning), `${kind}: they run`)
    await end(client)
    await gone(pids)
    t.ok(otherPids.every(isRunning), `${kind}: the others still do`)
  }
  const states = await Promise.all(others.map((client) => client.request('ping')))
  t.ok(states.every(({ result }) => result !== undefined))
  await Promise.all(others.map(leave))
  await gone(otherPids)
})

t.test('a client mode that is killed takes its session with it', async (t) => {
  const client = rawThroughProxy('--transport', 'sse', proxy.sse())
  await client.initialize()
  const pids = await processesOf(client)
  await client.kill('SIGKILL')
  await gone(pids)
  t.notOk(pids.some(isRunning), 'nothing is left')
})

t.test('a session that ended is unknown', async (t) => {
  const client = httpClient(proxy.mcp())
  await client.initialize()
  await client.delete()
  await t.rejects(client.request('ping'), { message: /^HTTP 404/ })
  await t.rejects(client.request('initialize', {}), { message: /^HTTP 404/ })
  client.close()
})

t.test('what has been idle for long ends; a call or an open stream is not idle', async (t) => {
  const proxy = await startProxy('--session-timeout', '1s', '--close-timeout', '500ms', ...rascal)
  t.teardown(proxy.close)
  const start = async (): Promise<HttpClient> => {
    const client = httpClient(proxy.mcp())
    t.teardown(() => client.close())
    await client.initialize()
    return client
  }
  const calling = await start()
  const call = calling.request('test/sleep', { ms: 3000 })
  const listening = await start()
  const stream = await listening.openGet()
  const idle = await start()
  const listeningPids = await processesOf(listening)
  await gone(await processesOf(idle))
  t.match((await call).result, { ms: 3000 }, 'the call went on')
  t.ok(listeningPids.every(isRunning), 'and so did the stream')
  await t.rejects(idle.request('ping'), { message: /^HTTP 404/ })
  t.match(await listening.request('ping'), { result: {} })
  stream.close()
  await gone(listeningPids)
})

t.test('the end of the proxy is the end of all sessions', async (t) => {
  const proxy = await startProxy('--close-timeout', '500ms', ...rascal)
  const clients = await Promise.all(
    [1, 2, 3].map(async (n) => {
      const client = n === 1 ? await sseClient(proxy.sse()) : httpClient(proxy.mcp())
      t.teardown(() => client.close())
      await client.initialize()
      return client
    })
  )
  const pids = (await Promise.all(clients.map(processesOf))).flat()
  t.same(await proxy.close(), [0, null])
  await gone(pids)
  t.notOk(pids.some(isRunning), 'nothing is left')
})
