// The features of MCP, each as a function that uses the SDK's client of the second generation. The
// function throws if the feature does not work. The server is fixtures/servers/features.js.

import assert from 'node:assert/strict'
import { Client } from '@modelcontextprotocol/client'
import type { Transport } from '@modelcontextprotocol/client'
import { until } from '../../helpers.ts'

export type Era = 'legacy' | 'modern'

/** A client, and the notifications that it got. */
export interface Session {
  client: Client
  era: Era
  logs: unknown[]
  updated: string[]
  changes: number
}

const uri = 'test://watched'

export async function openSession(era: Era, transport: Transport): Promise<Session> {
  const session: Session = { client: undefined as never, era, logs: [], updated: [], changes: 0 }
  const client = new Client(
    { name: 'eras', version: '1.0.0' },
    {
      versionNegotiation: { mode: era === 'legacy' ? 'legacy' : { pin: '2026-07-28' } },
      capabilities: {
        elicitation: { form: {}, url: {} },
        sampling: { tools: {} },
        roots: { listChanged: true }
      }
    }
  )
  session.client = client
  client.setRequestHandler('roots/list', () => ({ roots: [{ uri: 'file:///root' }] }))
  client.setRequestHandler('elicitation/create', ({ params }) =>
    params.mode === 'url'
      ? { action: 'accept' as const }
      : { action: 'accept' as const, content: { name: params.message } }
  )
  client.setRequestHandler('sampling/createMessage', ({ params }) => ({
    model: 'none',
    role: 'assistant' as const,
    content: { type: 'text' as const, text: params.tools === undefined ? 'plain' : 'with tools' }
  }))
  client.setNotificationHandler('notifications/message', ({ params }) => {
    session.logs.push(params.data)
  })
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
    session.updated.push(params.uri)
  })
  client.setNotificationHandler('notifications/tools/list_changed', () => {
    session.changes++
  })
  await client.connect(transport)
  return session
}

async function call({ client }: Session, name: string, args = {}, meta = {}): Promise<string> {
  const { content } = await client.callTool({ name, arguments: args, _meta: meta })
  const [first] = content as { text: string }[]
  return first?.text ?? ''
}

export const features: Record<string, (session: Session) => Promise<void>> = {
  list: async ({ client }) => {
    const { resources } = await client.listResources()
    assert.deepEqual(resources[0]?.uri, uri)
  },
  call: async (session) => {
    assert.equal(await call(session, 'echo', { text: 'é 😀' }), '"é 😀"')
  },
  progress: async ({ client }) => {
    const seen: number[] = []
    const onprogress = ({ progress }: { progress: number }): void => void seen.push(progress)
    await client.callTool({ name: 'progress', arguments: {} }, { onprogress })
    assert.deepEqual(seen, [1, 2, 3])
  },
  log: async (session) => {
    const { client, era, logs } = session
    const meta = { 'io.modelcontextprotocol/logLevel': 'debug' }
    if (era === 'legacy') await client.setLoggingLevel('debug')
    await call(session, 'log', {}, era === 'modern' ? meta : {})
    await until(() => logs.length > 0)
    assert.deepEqual(logs, ['logged'])
  },
  cancel: async (session) => {
    const before = Number(await call(session, 'cancelled'))
    const abort = new AbortController()
    const waiting = session.client.callTool(
      { name: 'wait', arguments: {} },
      { signal: abort.signal }
    )
    setTimeout(() => abort.abort(), 200)
    await assert.rejects(waiting)
    await until(async () => Number(await call(session, 'cancelled')) === before + 1)
  },
  'elicitation, form': async (session) => {
    assert.match(await call(session, 'elicit'), /"accept".*"name":"name"/)
  },
  'elicitation, URL': async (session) => {
    assert.match(await call(session, 'elicit_url'), /"page":\{"action":"accept"/)
  },
  sampling: async (session) => assert.match(await call(session, 'sample'), /plain/),
  'sampling with tools': async (session) => {
    assert.match(await call(session, 'sample_tools'), /with tools/)
  },
  roots: async (session) => assert.match(await call(session, 'roots'), /file:\/\/\/root/),
  'several questions at once': async (session) => assert.equal(await call(session, 'several'), '3'),
  'several rounds': async (session) => assert.match(await call(session, 'rounds'), /"second"/),
  subscriptions: async (session) => {
    const { client, era, updated } = session
    if (era === 'legacy') await client.subscribeResource({ uri })
    else await client.listen({ resourceSubscriptions: [uri] })
    await until(async () => {
      await call(session, 'touch')
      return updated.length > 0
    })
    assert.equal(updated[0], uri)
  },
  'list changes': async (session) => {
    if (session.era === 'modern') await session.client.listen({ toolsListChanged: true })
    await until(async () => {
      await call(session, 'change')
      return session.changes > 0
    })
  },
  completion: async ({ client }) => {
    const { completion } = await client.complete({
      ref: { type: 'ref/resource', uri },
      argument: { name: 'x', value: 'a' }
    })
    assert.deepEqual(completion.values, ['a!'])
  },
  pagination: async ({ client }) => {
    const { tools } = await client.listTools()
    assert.ok(tools.length > 10)
  },
  'errors with data': async (session) => {
    await assert.rejects(call(session, 'fail'), (error: { code: number; data: unknown }) => {
      assert.equal(error.code, 1001)
      assert.deepEqual(error.data, { reason: 'data' })
      return true
    })
  }
}
