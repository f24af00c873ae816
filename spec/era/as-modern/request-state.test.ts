// Attacks on the `requestState` that holds a call open.

import t from 'tap'
import { HeldCalls, maxHeld } from '../../../lib/era/as-modern/held-calls.ts'
import { memoryInUse } from '../../memory.ts'
import { frameOf } from '../../wrappers/text-server.ts'
import { asking, form, prefix, retry, setUp } from './helpers.ts'
import type { Handler, LegacyServer } from './helpers.ts'

// How many rounds a client abandons. `ROUNDS=100000` takes minutes with coverage.
const abandoned = Number(process.env.ROUNDS ?? 8000)
/** The memory that a round may leave, in bytes: less than its arguments have. */
const maxLeft = 1000
t.setTimeout(600_000)

const call = { method: 'tools/call', params: { name: 'greet', arguments: { n: 1 } } }

const asks: Handler = (frame, server) => {
  if (frame.kind !== 'request' || frame.method === 'tools/list') return
  void server.ask('ask', 'elicitation/create', form).then((response) => {
    server.respond(frame, { content: [response] })
  })
}

t.test('each attack is refused, and does not disturb the call', async (t) => {
  const { servers, connect } = setUp(t, asks)
  const client = connect({ capabilities: asking, principal: 'ann' })
  const first = await client.call(call)
  const good = retry(call, first, { q1: { action: 'accept' } })
  const state = first.result.requestState as string
  const { params } = good
  const attacks: [string, object, object?][] = [
    ['forged', { ...good, params: { ...params, requestState: 'a'.repeat(state.length) } }],
    ['changed', { ...good, params: { ...params, requestState: `${state}=` } }],
    ['empty', { ...good, params: { ...params, requestState: '' } }],
    ['no string', { ...good, params: { ...params, requestState: { a: state } } }],
    ['another method', { ...good, method: 'prompts/get' }],
    ['another tool', { ...good, params: { ...params, name: 'other' } }],
    ['other arguments', { ...good, params: { ...params, arguments: { n: 2 } } }],
    ['fewer params', { ...good, params: { ...params, arguments: undefined } }],
    ['more params', { ...good, params: { ...params, more: 1 } }],
    ["another user's", good, { principal: 'bob' }],
    ["a user's without a name", good, { principal: undefined }],
    ["another client's", good, { name: 'other' }],
    ['other capabilities', good, { capabilities: { elicitation: {} } }],
    ['no capabilities', good, { capabilities: {} }]
  ]
  for (const [name, request, other] of attacks) {
    const attacker = connect({ capabilities: asking, principal: 'ann', ...other })
    const response = await attacker.call(request as typeof good)
    t.match(response.error, { code: -32602, message: /requestState/ }, name)
  }
  t.equal(servers.length, 1, 'no attack opens a connection')
  t.notOk(
    servers[0]?.received.some(({ id }) => id === 'ask'),
    'no answer reaches the server'
  )

  // The order of the params has no meaning, and another connection of the client may call again.
  const { name, ...rest } = params as Record<string, unknown>
  const again = connect({ capabilities: asking, principal: 'ann' })
  const second = await again.call({ ...good, params: { ...rest, name } })
  t.strictSame(second.result.content, [{ jsonrpc: '2.0', id: 'ask', result: { action: 'accept' } }])
  const replayed = await client.call(good)
  t.equal(replayed.error.code, -32602, 'replayed')
})

t.test('a state is of no use while its retry is in flight', async (t) => {
  const { servers, connect } = setUp(t, (frame, server) => {
    if (frame.method === 'tools/call') server.say({ id: 1, method: 'roots/list' })
  })
  const client = connect({ capabilities: asking })
  const first = await client.call(call)
  const [server] = servers as [LegacyServer]
  void client.start({ ...retry(call, first, { q1: { roots: [] } }), id: 'retry' })
  await server.received.until(({ id }) => id === 1)
  const stolen = await client.call({ ...retry(call, first, { q1: { roots: [] } }), id: 'stolen' })
  t.equal(stolen.error.code, -32602)
  t.equal(server.received.filter(({ id, method }) => id === 1 && !method).length, 1)
  const request = await server.got('tools/call')
  server.respond(request, { content: ['done'] })
  const frame = await client.frames.until(({ id }) => id === 'retry')
  t.match(frame?.message(), { result: { content: ['done'] } })
})

t.test(`${abandoned} abandoned rounds leave memory bounded`, async (t) => {
  let open = 0
  let mostOpen = 0
  const { servers, connect, modern } = setUp(
    t,
    asks,
    { maxGroupConnections: 0, maxConnections: 250, inputTimeout: 100 },
    (server) => {
      mostOpen = Math.max(mostOpen, ++open)
      server.once('close', () => open--)
    }
  )
  const round = async (n: number): Promise<void> => {
    const port = modern.port()
    const answered = new Promise((resolve) => port.once('data', resolve))
    const _meta = {
      [`${prefix}protocolVersion`]: '2026-07-28',
      [`${prefix}clientCapabilities`]: asking
    }
    const params = { name: 'greet', arguments: { n, text: 'x'.repeat(1000) }, _meta }
    port.write(frameOf({ id: 1, method: 'tools/call', params }))
    await answered
    port.destroy()
    servers.length = 0
  }
  const rounds = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 250) {
      await Promise.all(Array.from({ length: 250 }, (_, index) => round(n + index)))
    }
  }
  await rounds(2000)
  const before = memoryInUse()
  await rounds(abandoned)
  t.ok(mostOpen <= 250, `${mostOpen} connections`)
  t.ok(memoryInUse() - before < abandoned * maxLeft, `${memoryInUse() - before} bytes`)
  const client = connect({ capabilities: asking })
  const first = await client.call(call)
  const second = await client.call(retry(call, first))
  t.equal(second.result.resultType, 'complete', 'a new call still works')
})

t.test('the oldest calls end when too many are held', async (t) => {
  const held = new HeldCalls<{ groupKey: string; digest: string; cancel(): void }>()
  const cancelled: number[] = []
  const keys: string[] = []
  for (let n = 0; n < maxHeld + 2; n++) {
    const cancel = (): void => {
      cancelled.push(n)
      held.delete(keys[n] as string)
    }
    keys.push(held.add({ groupKey: 'g', digest: 'd', cancel }))
  }
  t.strictSame(cancelled, [0, 1])
  t.equal(new Set(keys).size, keys.length)
})
