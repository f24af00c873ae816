// Requests of the modern revision over HTTP: headers, tools, ends.

import { test } from 'tap'
import type { Json, ServerExchange, ServerStream } from '../../fixtures/servers/http.js'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { metaKeys } from '../../lib/protocol/meta-keys.ts'
import { KeptLog, notification, request, until } from '../helpers.ts'
import { overHttp } from './helpers.ts'

const _meta = { [metaKeys.protocolVersion]: '2026-07-28' }
const region = { type: 'string', 'x-mcp-header': 'Region' }
const tool = (name: string, properties: Json = {}): Json => ({
  name,
  inputSchema: { type: 'object', properties }
})

/** A server with one tool a page. It refuses a call whose header differs from its argument. */
function withTools(pages: Json[]): (message: Json, exchange: ServerExchange) => void {
  return (message, { json, entry }) => {
    const { id, method, params } = message
    if (method === 'tools/list') {
      const page = Number(params.cursor ?? 0)
      const nextCursor = page + 1 < pages.length ? { nextCursor: String(page + 1) } : {}
      json({ jsonrpc: '2.0', id, result: { tools: [pages[page]], ...nextCursor } })
    } else if (entry.headers['mcp-param-region'] === params.arguments?.region) {
      json({ jsonrpc: '2.0', id, result: { content: [] } })
    } else {
      json({ jsonrpc: '2.0', id, error: { code: -32020, message: 'Header mismatch' } }, {}, 400)
    }
  }
}

test('a call mirrors the arguments that its tool names in headers', async (t) => {
  const { server, ask } = await overHttp(t, { onPost: withTools([tool('sql', { region })]) })
  await ask('tools/list', { _meta })
  const params = { name: 'sql', arguments: { region: 'eu' }, _meta }
  t.match(await ask('tools/call', params), { result: {} })
  t.match(server.requests.at(-1)?.headers, {
    'mcp-method': 'tools/call',
    'mcp-name': 'sql',
    'mcp-param-region': 'eu'
  })
  t.equal(server.requests.length, 2)
})

test('a request that gets 202 fails, because no other stream can bring its response', async (t) => {
  const { ask } = await overHttp(t, { onPost: (_message, { status }) => status(202) })
  t.match(await ask('tools/call', { name: 'a', _meta }), { error: { message: /answered 202/ } })
})

test('a call that lacks headers is repeated with those that a new tool list asks for', async (t) => {
  const { server, ask } = await overHttp(t, {
    onPost: withTools([tool('other'), tool('sql', { region })])
  })
  const params = { name: 'sql', arguments: { region: 'eu' }, _meta }
  t.match(await ask('tools/call', params), { result: {} })
  const methods = server.requests.map(({ message }) => message.method as string)
  t.strictSame(methods, ['tools/call', 'tools/list', 'tools/list', 'tools/call'])
  t.match(
    server.requests[1]?.message.params,
    { _meta },
    'the list request has the _meta of the call'
  )
})

test('a call gets the refusal when the tool list changes none of its headers', async (t) => {
  const { server, ask } = await overHttp(t, { onPost: withTools([tool('sql')]) })
  const params = { name: 'sql', arguments: { region: 'eu' }, _meta }
  t.match(await ask('tools/call', params), { error: { code: -32020 } })
  t.equal(server.requests.length, 2)
  t.match(await ask('prompts/get', { ...params, name: 'p' }), { error: { code: -32020 } })
  t.equal(server.requests.length, 3, 'only a tool call leads to a tool list')
})

test('a response that was complete when the connection broke is the only one', async (t) => {
  let broken: ServerExchange['res'] | undefined
  const { frames, ask } = await overHttp(t, {
    onPost: ({ id, method }, { res, json }) => {
      if (method === 'ping') return json({ jsonrpc: '2.0', id, result: {} })
      broken = res
      res.writeHead(200, { 'content-type': 'application/json' })
      res.write(JSON.stringify({ jsonrpc: '2.0', id, result: { whole: true } }))
    }
  })
  t.match(await ask('tools/list', { _meta }), { result: { whole: true } })
  broken?.destroy()
  // By the time of these responses, the transport has seen the connection break.
  for (let count = 0; count < 3; count++) await ask('ping', { _meta })
  t.equal(frames.length, 4)
})

test('a call gets the refusal when the tools cannot be listed', async (t) => {
  const { ask } = await overHttp(t, {
    onPost: ({ id, method }, { json, status }) => {
      if (method === 'tools/list') return status(500, 'broken')
      json({ jsonrpc: '2.0', id, error: { code: -32020, message: 'Header mismatch' } }, {}, 400)
    }
  })
  const params = { name: 'sql', arguments: {}, _meta }
  t.match(await ask('tools/call', params), { error: { code: -32020 } })
})

test('a call that is cancelled while the tools are listed is not repeated', async (t) => {
  let onList: (exchange: ServerExchange) => void = () => {}
  const listed = new Promise<ServerExchange>((resolve) => (onList = resolve))
  const { server, transport, write, ask } = await overHttp(t, {
    onPost: ({ id, method }, exchange) => {
      if (method === 'tools/list') onList(exchange)
      else if (method === 'ping') exchange.json({ jsonrpc: '2.0', id, result: {} })
      else exchange.json({ jsonrpc: '2.0', id, error: { code: -32020, message: '' } }, {}, 400)
    }
  })
  transport.write(request(1, 'tools/call', { name: 'sql', arguments: { region: 'eu' }, _meta }))
  const list = await listed
  await write(notification('notifications/cancelled', { requestId: 1 }))
  list.json({
    jsonrpc: '2.0',
    id: list.entry.message.id,
    result: { tools: [tool('sql', { region })] }
  })
  t.match(await ask('ping', { _meta }), { result: {} })
  t.strictSame(
    server.requests.map(({ message }) => message.method as string),
    ['tools/call', 'tools/list', 'ping']
  )
})

test('a client may use the id of a request of the proxy itself', async (t) => {
  const exchanges: Record<string, ServerExchange> = {}
  const { server, transport, answer, frames } = await overHttp(t, {
    onPost: ({ id, method }, exchange) => {
      const isCall = method === 'tools/call'
      if (!isCall) exchanges[String(method)] = exchange
      else if (server.requests.length > 1) exchange.json({ jsonrpc: '2.0', id, result: {} })
      else exchange.json({ jsonrpc: '2.0', id, error: { code: -32020, message: '' } }, {}, 400)
    }
  })
  const call = { name: 'sql', arguments: { region: 'eu' }, _meta }
  transport.write(request(1_000_001, 'tools/call', call))
  await until(() => exchanges['tools/list'] !== undefined)
  const list = exchanges['tools/list'] as ServerExchange
  const own = list.entry.message.id as number
  t.equal(own, 1_000_002, 'a small integer that the client does not use now')
  transport.write(request(own, 'test/slow', { _meta }))
  await until(() => exchanges['test/slow'] !== undefined)
  const response = { jsonrpc: '2.0', id: own, result: { tools: [tool('sql', { region })] } }
  const log = { jsonrpc: '2.0', method: 'notifications/message', params: {} }
  list.json([log, response, response].map((message) => JSON.stringify(message)).join('\n'))
  t.match(await answer(1_000_001), { result: {} })
  t.strictSame(
    frames.map(({ kind }) => kind),
    ['notification', 'response'],
    'the response to the proxy is not for the client'
  )
  exchanges['test/slow']?.json({ jsonrpc: '2.0', id: own, result: { slow: true } })
  t.match(await answer(own), { result: { slow: true } })
})

test('an end of the transport aborts the requests of the proxy itself', async (t) => {
  let closed = false
  const { transport, write } = await overHttp(t, {
    onPost: ({ id, method }, { json, res }) => {
      if (method === 'tools/list') res.on('close', () => (closed = true))
      else json({ jsonrpc: '2.0', id, error: { code: -32020, message: '' } }, {}, 400)
    }
  })
  await write(request(1, 'tools/call', { name: 'sql', arguments: {}, _meta }))
  await new Promise((resolve) => setTimeout(resolve, 50))
  transport.destroy()
  await until(() => closed)
})

test('a tool list loses the tools with invalid definitions, and keeps the bytes of the others', async (t) => {
  const good = '{"name":"good",  "inputSchema":{},"n":12345678901234567890}'
  const bad = JSON.stringify(tool('bad', { a: { type: 'number', 'x-mcp-header': 'A' } }))
  const { frames, transport, answer, log } = await overHttp(t, {
    onPost: ({ id }, { json }) => {
      json(`{"jsonrpc":"2.0","id":${id},"result":{"tools":[${bad}, ${good} ,${bad}],"ttlMs":1.0}}`)
    }
  })
  transport.write(request(1, 'tools/list', { _meta }))
  await answer(1)
  t.equal(
    String(frames.at(-1)),
    `{"jsonrpc":"2.0","id":1,"result":{"tools":[ ${good} ],"ttlMs":1.0}}`
  )
  t.match(log.lines, [/^warn: the tool "bad" is left out: a: only/])
})

test('a response to tools/list without a list passes', async (t) => {
  const { ask } = await overHttp(t, {
    onPost: ({ id }, { json }) => json({ jsonrpc: '2.0', id, result: { tools: 'none' } })
  })
  t.match(await ask('tools/list', { _meta }), { result: { tools: 'none' } })
})

test('a stream that breaks fails its request, even if its events have ids', async (t) => {
  const { server, ask } = await overHttp(t, {
    onPost: (_message, { sse }) => {
      const stream = sse()
      stream.send({ jsonrpc: '2.0', method: 'notifications/message' }, { id: 'a-1' })
      stream.end()
    }
  })
  t.match(await ask('tools/call', { name: 'x', _meta }), {
    error: { message: /before the response/ }
  })
  t.equal(server.requests.length, 1)
})

test('an invalid request of the server gets no error back: this revision has no such requests', async (t) => {
  const { server, ask } = await overHttp(t, {
    onPost: ({ id }, { sse }) => {
      const stream = sse()
      stream.send('{"jsonrpc":"2.0","id":9,"method":7}')
      stream.send({ jsonrpc: '2.0', id, result: {} })
      stream.end()
    }
  })
  t.match(await ask('tools/call', { name: 'x', _meta }), { result: {} })
  t.equal(server.requests.length, 1)
})

test('destroy closes the requests under way', async (t) => {
  let onStream: (stream: ServerStream) => void = () => {}
  const opened = new Promise<ServerStream>((resolve) => (onStream = resolve))
  const { transport } = await overHttp(t, { onPost: (_message, { sse }) => onStream(sse()) })
  transport.write(request(1, 'subscriptions/listen', { _meta }))
  const stream = await opened
  transport.destroy()
  await stream.closed
  t.pass('the server sees the connection close')
})

test('a request that the server refuses gets an error, and the next one is sent as usual', async (t) => {
  const { ask } = await overHttp(t, {
    onPost: ({ id, method }, { json, status }) => {
      if (method === 'ping') json({ jsonrpc: '2.0', id, result: {} })
      else status(404, 'no such page')
    }
  })
  t.match(await ask('tools/call', { _meta }), { error: { message: /404: no such page/ } })
  t.match(await ask('ping', { _meta }), { result: {} })
})

test('a connection that breaks after the response is no error', async (t) => {
  const { frames, ask } = await overHttp(t, {
    onPost: ({ id }, { res }) => {
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': 1000 })
      res.write(`${JSON.stringify({ jsonrpc: '2.0', id, result: {} })}\n`, () => res.destroy())
    }
  })
  t.match(await ask('tools/call', { name: 7, _meta }), { result: {} })
  t.match(await ask('tools/call', { name: 7, _meta }), { result: {} })
  t.equal(frames.length, 2)
})

test('a response with text behind it is an error', async (t) => {
  const { frames, ask } = await overHttp(t, {
    onPost: ({ id }, { json }) => json(`{"jsonrpc":"2.0","id":"${id}","result":{}} and more`)
  })
  const error = { code: -32000, message: /sent an invalid message: the message is not JSON/ }
  t.match(await ask('tools/call', { name: 'x', _meta }), { error })
  t.match(await ask('tools/call', { name: 'x', _meta }), { error })
  t.equal(frames.length, 2)
})

test('text that comes after the response was read is only logged', async (t) => {
  const { transport, answer, frames, log } = await overHttp(t, {
    onPost: ({ id }, { res }) => {
      res.writeHead(200, { 'content-type': 'application/json' })
      res.write(JSON.stringify({ jsonrpc: '2.0', id, result: {} }))
      void answer(id).then(() => res.end(' and more'))
    }
  })
  transport.write(request(1, 'ping', { _meta }))
  t.ok(await log.lines.until((line) => line.startsWith('debug: after the response: ')))
  t.equal(frames.length, 1)
})

/** JSON nested `depth` levels deep: too deep for a function that calls itself at each level. */
const nested = (open: string, close: string, depth = 20_000): string =>
  open.repeat(depth) + '{}' + close.repeat(depth)

test('a tool list loses its entries that are no tools, with one warning', async (t) => {
  const good = '{"name":"good",  "inputSchema":{}}'
  const { frames, transport, answer, log } = await overHttp(t, {
    onPost: ({ id }, { json }) => {
      json(`{"jsonrpc":"2.0","id":${id},"result":{"tools":[null,${good},7,[],{"name":5}]}}`)
    }
  })
  transport.write(request(1, 'tools/list', { _meta }))
  await answer(1)
  t.equal(String(frames.at(-1)), `{"jsonrpc":"2.0","id":1,"result":{"tools":[${good}]}}`)
  t.match(log.lines, [/^warn: http:.*\/mcp lists 4 tools that are not objects with a name/])
  t.equal(log.lines.length, 1)
})

test('a tool list nested 20,000 levels deep passes as it came', async (t) => {
  const schemas = [nested('{"properties":{"a":', '}}'), nested('[', ']'), nested('{"items":', '}')]
  const tools = schemas.map((schema) => `{"name":"deep","inputSchema":${schema}}`)
  const body = `{"jsonrpc":"2.0","id":1,"result":{"tools":[${tools.join(',')}]}}`
  const { frames, transport, answer } = await overHttp(t, {
    onPost: (_message, { json }) => json(body)
  })
  transport.write(request(1, 'tools/list', { _meta }))
  await answer(1)
  t.ok(String(frames.at(-1)) === body)
})

test('a request gets an error when its response cannot be read', async (t) => {
  const log = new KeptLog()
  log.warn = (): void => {
    throw new Error('the disk is full')
  }
  const bad = tool('bad', { a: { type: 'number', 'x-mcp-header': 'A' } })
  const { frames, ask } = await overHttp(
    t,
    {
      onPost: ({ id, method }, { json }) =>
        json({ jsonrpc: '2.0', id, result: method === 'tools/list' ? { tools: [bad] } : {} })
    },
    { log }
  )
  t.match(await ask('tools/list', { _meta }), {
    error: { code: -32000, message: /\/mcp cannot be read: the disk is full$/ }
  })
  t.match(await ask('ping', { _meta }), { result: {} }, 'other requests go on')
  t.equal(frames.length, 2)
})

test('the proxy stops listing tools at a cursor that it has seen', async (t) => {
  let listed = 0
  const { ask, log } = await overHttp(t, {
    onPost: ({ id, method, params }, { json, entry }) => {
      if (method === 'tools/list') {
        listed++
        const tools = params.cursor === undefined ? [] : [tool('sql', { region })]
        json({ jsonrpc: '2.0', id, result: { tools, nextCursor: 'again' } })
      } else if (entry.headers['mcp-param-region'] === 'eu') {
        json({ jsonrpc: '2.0', id, result: {} })
      } else {
        json({ jsonrpc: '2.0', id, error: { code: -32020, message: '' } }, {}, 400)
      }
    }
  })
  const params = { name: 'sql', arguments: { region: 'eu' }, _meta }
  t.match(await ask('tools/call', params), { result: {} }, 'what was listed is used')
  t.equal(listed, 2)
  t.match(log.lines, [/^warn: .*\/mcp: the list of tools is cut short: .* a second time$/])
})

test('a cursor that is not a string ends the list of tools', async (t) => {
  for (const nextCursor of [null, 7, {}, true]) {
    let listed = 0
    const { ask, log } = await overHttp(t, {
      onPost: ({ id, method }, { json }) => {
        if (method === 'tools/list') {
          if (listed++ > 5) return
          return json({ jsonrpc: '2.0', id, result: { tools: [], nextCursor } })
        }
        json({ jsonrpc: '2.0', id, error: { code: -32020, message: '' } }, {}, 400)
      }
    })
    t.match(await ask('tools/call', { name: 'sql', _meta }), { error: { code: -32020 } })
    t.equal(listed, 1)
    t.strictSame([...log.lines], [])
  }
})

test('a call with deeply nested _meta is repeated with headers as well', async (t) => {
  const { frames, transport, answer, server } = await overHttp(t, {
    onPost: withTools([tool('other'), tool('sql', { region })])
  })
  const version = '"io.modelcontextprotocol/protocolVersion":"2026-07-28"'
  const meta = `{${version},"deep":${nested('[', ']')}}`
  const params = `{"name":"sql","arguments":{"region":"eu"},"_meta":${meta}}`
  const text = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`
  transport.write(parseFrame(Buffer.from(text)))
  t.match(await answer(1), { result: {} })
  t.equal(frames.length, 1)
  t.ok(server.received[1]?.body.includes(`"_meta":${meta}`), 'tools/list carries the same _meta')
})
