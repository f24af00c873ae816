// What a client sees and may use of a server behind a filter.

import { Duplex } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { filter } from '../../lib/wrappers/filter.ts'
import type { FilterOptions } from '../../lib/wrappers/filter.ts'
import { metaKeys } from '../../lib/protocol/meta-keys.ts'
import { clientOn, TextServer, turn } from './text-server.ts'
import type { Client } from './text-server.ts'

function start(t: Test, options: FilterOptions): { server: TextServer; client: Client } {
  const server = new TextServer()
  const client = clientOn(filter(options)(server))
  t.teardown(() => client.port.destroy())
  return { server, client }
}

const files: FilterOptions = {
  tools: { allow: ['read_*', 'list'], deny: ['*_secret'] },
  prompts: { deny: ['hidden'] },
  resources: { allow: ['file:///docs/*'] }
}

/** Each request for a list, with a result and what is left of it, byte for byte. */
const lists: [method: string, result: string, left: string][] = [
  [
    'tools/list',
    '{"tools":[ {"name":"read_a", "x":1e2} , {"name":"write"},{"name":"read_secret"},{"y":[],"name":"list"}],"nextCursor":"c"}',
    '{"tools":[ {"name":"read_a", "x":1e2} ,{"y":[],"name":"list"}],"nextCursor":"c"}'
  ],
  ['tools/list', '{"tools":[{"name":"write"},{"name":"x"}]}', '{"tools":[]}'],
  [
    'tools/list',
    '{"tools":[{"name":"list"},{}, 7,null,{"name":1}]}',
    '{"tools":[{"name":"list"}]}'
  ],
  ['tools/list', '{"tools":[{"name":"list"}] }', '{"tools":[{"name":"list"}] }'],
  ['tools/list', '{"tools":{"name":"write"}}', '{"tools":{"name":"write"}}'],
  ['tools/list', '{"content":[{"name":"write"}]}', '{"content":[{"name":"write"}]}'],
  ['prompts/list', '{"prompts":[{"name":"a"},{"name":"hidden"}]}', '{"prompts":[{"name":"a"}]}'],
  [
    'resources/list',
    '{"resources":[{"name":"a","uri":"file:///etc/a"},{"uri":"file:///docs/a"}]}',
    '{"resources":[{"uri":"file:///docs/a"}]}'
  ],
  [
    'resources/templates/list',
    '{"resourceTemplates":[{"uriTemplate":"file:///docs/{a}"},{"uriTemplate":"file:///{a}"}]}',
    '{"resourceTemplates":[{"uriTemplate":"file:///docs/{a}"}]}'
  ]
]

t.test('lists come without what is hidden, and the rest byte for byte', async (t) => {
  for (const [method, result, left] of lists) {
    const { server, client } = start(t, files)
    await client.send({ id: 5, method })
    server.say(`{"jsonrpc":"2.0","id":5,"result":${result}}`)
    await client.answer(5)
    t.strictSame(client.texts(), [`{"jsonrpc":"2.0","id":5,"result":${left}}`], method)
  }
})

t.test('only the response to the request for a list is a list', async (t) => {
  const { server, client } = start(t, files)
  const text = '{"jsonrpc":"2.0","id":5,"result":{"tools":[{"name":"write"}]}}'
  await client.send({ id: 4, method: 'tools/list' })
  await client.send({ id: 5, method: 'tools/list' })
  await client.send({ method: 'notifications/cancelled', params: { requestId: 5 } })
  await client.send({ method: 'notifications/cancelled', params: {} })
  await client.send({ id: 5, method: 'tools/call', params: { name: 'list' } })
  server.say(text)
  await client.answer(5)
  t.strictSame(client.texts(), [text])
})

const unknown = (id: number, message: string): object => ({ id, error: { code: -32602, message } })

t.test('the use of what is hidden gets the error for an unknown name', async (t) => {
  const { server, client } = start(t, files)
  const uses: [method: string, params: object, message?: string][] = [
    ['tools/call', { name: 'write' }, 'unknown tool: write'],
    ['tools/call', { name: 'read_secret' }, 'unknown tool: read_secret'],
    ['tools/call', { name: ['list'] }, 'unknown tool'],
    ['tools/call', {}, 'unknown tool'],
    ['tools/call', { name: 'list', arguments: { name: 'write' } }],
    ['prompts/get', { name: 'hidden' }, 'unknown prompt: hidden'],
    ['prompts/get', { name: 'write' }],
    ['resources/read', { uri: 'file:///etc/a' }, 'unknown resource: file:///etc/a'],
    ['resources/read', { uri: 'file:///docs/a' }],
    ['resources/subscribe', { uri: 'file:///' }, 'unknown resource: file:///'],
    ['resources/unsubscribe', { uri: 'file:///' }],
    [
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'hidden' } },
      'unknown prompt: hidden'
    ],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'a' } }],
    ['completion/complete', { ref: { type: 'ref/resource', uri: 'a:' } }, 'unknown resource: a:'],
    ['completion/complete', {}, 'unknown resource'],
    ['ping', { name: 'write', uri: 'a:' }]
  ]
  for (const [index, [method, params, message]] of uses.entries()) {
    const id = index + 1
    const count = server.received.length
    await client.send({ id, method, params })
    if (message !== undefined) t.match(await client.answer(id), unknown(id, message), method)
    t.equal(server.received.length - count, message === undefined ? 1 : 0, `${method} ${id}`)
  }
})

t.test('a message that parsers may read in different ways is refused', async (t) => {
  const { server, client } = start(t, files)
  const texts = [
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"write","name":"list"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"write","name":"list"}}',
    '{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"write"}}',
    '{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a:","ur\\u0069":"file:///docs/a"}}',
    '{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"hidden","name":"a"}}}',
    `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["a:"],"ResourceSubscriptions":[]}}}`
  ]
  for (const text of texts) await client.send(text)
  await client.frames.until(() => client.frames.length === texts.length)
  for (const frame of client.frames) t.match(frame.message(), { error: { code: -32600 } })
  t.equal(server.received.length, 0)
})

t.test('a notification that names what is hidden is dropped', async (t) => {
  const { server, client } = start(t, files)
  await client.send({ method: 'tools/call', params: { name: 'write' } })
  await client.send({ method: 'tools/call', params: { name: 'list' } })
  await server.got('tools/call')
  t.equal(server.received.length, 1)
})

t.test('a subscription hears of no hidden resource', async (t) => {
  const { server, client } = start(t, files)
  const meta = { [metaKeys.protocolVersion]: '2026-07-28' }
  const resourceSubscriptions = ['file:///docs/a', 'file:///etc/a', 7]
  const params = { _meta: meta, notifications: { toolsListChanged: true, resourceSubscriptions } }
  await client.send({ id: 1, method: 'subscriptions/listen', params })
  const listen = await server.got('subscriptions/listen')
  t.match(listen.message().params, {
    notifications: { toolsListChanged: true, resourceSubscriptions: ['file:///docs/a'] }
  })
  t.notMatch(String(listen), /etc/)
  for (const uri of ['file:///etc/a', 'file:///docs/a', undefined]) {
    server.say({ method: 'notifications/resources/updated', params: { uri } })
  }
  server.say({ method: 'notifications/tools/list_changed' })
  await client.frames.until(({ method }) => method === 'notifications/tools/list_changed')
  t.strictSame(
    client.frames.map((frame) => (frame.message().params as { uri?: string } | undefined)?.uri),
    ['file:///docs/a', undefined]
  )
})

t.test('a kind without a selection is untouched', async (t) => {
  const { server, client } = start(t, { tools: { deny: ['a'] } })
  server.onFrame = ({ id }) => server.say({ id, result: { resources: [{ uri: 1 }] } })
  t.match(await client.ask('resources/list'), { result: { resources: [{ uri: 1 }] } })
  t.match(await client.ask('resources/read', { uri: 'a' }), { result: {} })
  server.say({ method: 'notifications/resources/updated', params: {} })
  t.ok(await client.frames.until(({ method }) => method === 'notifications/resources/updated'))
})

t.test('without any selection the server is not wrapped', async (t) => {
  const server = new TextServer()
  t.equal(filter({})(server), server)
  t.equal(filter({ tools: { allow: [], deny: undefined } })(server), server)
})

t.test('a client that does not read its errors has to wait', async (t) => {
  const server = new TextServer()
  const port = filter(files)(server)
  t.teardown(() => port.destroy())
  let taken = 0
  for (let id = 0; id < 50; id++) {
    const call = { jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'write' } }
    port.write(parseFrame(Buffer.from(JSON.stringify(call))), () => taken++)
  }
  await turn()
  t.ok(taken < 5, `${taken} were taken`)
  const client = clientOn(port)
  await client.answer(49)
  t.equal(client.frames.length, 50)
})

t.test('a slow server makes the client wait', async (t) => {
  const { server, client } = start(t, files)
  server.stop()
  let taken = 0
  const sent = [1, 2, 3].map((id) => client.send({ id, method: 'ping' }).then(() => taken++))
  await turn()
  t.equal(taken, 0)
  server.goOn()
  await Promise.all(sent)
  t.equal(server.received.length, 3)
})

t.test('when the server ends, a client that waits goes on', async (t) => {
  const { server, client } = start(t, files)
  server.stop()
  const sent = [1, 2, 3].map((id) => client.send({ id, method: 'ping' }))
  await turn()
  server.push(null)
  await Promise.all(sent)
  client.port.end()
  t.equal(await client.closed, undefined)
})

t.test('a server that fails to take a message fails the client', async (t) => {
  const gone = new Error('gone')
  const broken = new Duplex({
    objectMode: true,
    read() {},
    write: (_frame, _e, call) => call(gone)
  })
  const client = clientOn(filter(files)(broken))
  void client.send({ id: 1, method: 'ping' })
  t.equal(await client.closed, gone)
})

t.test('an error of the server comes after its last messages', async (t) => {
  const { server, client } = start(t, files)
  server.say({ method: 'last' })
  server.destroy(new Error('gone'))
  t.match(await client.closed, { message: 'gone' })
  t.strictSame(
    client.frames.map(({ method }) => method),
    ['last']
  )
  const { server: other, client: reader } = start(t, files)
  other.say({ method: 'last' })
  await reader.frames.until(({ method }) => method === 'last')
  reader.port.end()
  t.equal(await reader.closed, undefined, 'the end of the client ends the server')
})
