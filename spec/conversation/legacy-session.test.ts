// The proxy's own session with a legacy server.

import t from 'tap'
import { LegacySession, Subscribers } from '../../lib/conversation/legacy-session.ts'
import { TextServer } from '../wrappers/text-server.ts'

const answering = (result: unknown): TextServer => {
  const server = new TextServer()
  server.onFrame = ({ kind, id }) => {
    if (kind === 'request') server.say({ id, result })
  }
  return server
}

t.test('the session opens with the given capabilities, or with none', async (t) => {
  const cases: [LegacySession, object][] = [
    [new LegacySession(), { capabilities: {}, clientInfo: { name: 'mcp-proxy' } }],
    [
      new LegacySession('{"roots":{}}', '{"name":"me","version":"1"}'),
      { capabilities: { roots: {} }, clientInfo: { name: 'me', version: '1' } }
    ]
  ]
  for (const [session, params] of cases) {
    const server = answering({
      capabilities: { tools: { listChanged: true, no: false, text: 'a' }, resources: {} },
      serverInfo: { name: 'old' }
    })
    await session.open(server, 0)
    const [initialize, initialized] = server.received
    t.match(initialize?.message(), {
      id: 0,
      method: 'initialize',
      params: { ...params, protocolVersion: '2025-11-25' }
    })
    t.equal(initialized?.method, 'notifications/initialized')
    t.equal(session.initializeResponse.id, 0)
    t.equal(session.serverInfo, '{"name":"old"}')
    t.ok(session.offers('tools'))
    t.ok(session.offers('tools', 'listChanged'))
    t.notOk(session.offers('tools', 'no'))
    t.notOk(session.offers('tools', 'text'))
    t.notOk(session.offers('prompts'))
  }
})

t.test('a server may send any result', async (t) => {
  for (const result of [null, [], 'text', 5]) {
    const session = new LegacySession()
    await session.open(answering(result), 0)
    t.notOk(session.isValid)
    t.notOk(session.offers('tools'))
  }
  for (const serverInfo of [undefined, null, 'me', []]) {
    const session = new LegacySession()
    await session.open(answering({ serverInfo }), 0)
    t.ok(session.isValid)
    t.equal(session.serverInfo, undefined)
  }
})

t.test('subscribers are counted for each resource', async (t) => {
  const subscribers = new Subscribers()
  t.ok(subscribers.add('a'))
  t.notOk(subscribers.add('a'))
  t.ok(subscribers.remove('a'))
  t.notOk(subscribers.remove('a'))
  t.equal(subscribers.size, 0)
})

t.test('an update counts for the closest resource that has subscribers', async (t) => {
  const subscribers = new Subscribers()
  for (const uri of ['file:///', 'file:///a', 'file:///a/b/']) subscribers.add(uri)
  const cases = [
    ['file:///a', 'file:///a'],
    ['file:///a/x', 'file:///a'],
    ['file:///a/b/c', 'file:///a/b/'],
    ['file:///a?b', 'file:///a'],
    ['file:///ab', 'file:///'],
    ['http://a/', ''],
    ['', '']
  ] as const
  for (const [uri, closest] of cases) t.equal(subscribers.closest(uri), closest, uri)
})
