// Values of every wrong type, in every member that the proxy reads, in both directions. No value may
// do more than fail its own message.

import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { Duplex } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { ToolCache } from '../../lib/era/tool-cache.ts'
import { jsonOf } from '../../lib/message/id.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { joinPort } from '../../lib/proxy/join.ts'
import { acceptStdio } from '../../lib/stdio/accept-stdio.ts'
import { reconnect } from '../../lib/wrappers/reconnect.ts'
import { shareSessions } from '../../lib/wrappers/share-sessions.ts'
import { share } from '../../lib/wrappers/share.ts'
import { KeptLog } from '../helpers.ts'
import { TextServer, turn } from './text-server.ts'

const values = [
  '{"toString":1}',
  '{"valueOf":1,"toString":1}',
  '{"__proto__":{"toString":1}}',
  'null',
  '[]',
  '[[[{"toString":1}]]]',
  '{"a":{"b":{"c":[]}}}',
  '1e400',
  '-1e400',
  '123456789012345678901234567890',
  '0.5',
  '-1',
  '"\\ud800"',
  '"__proto__"',
  'true',
  '""'
]

const version = '"io.modelcontextprotocol/protocolVersion":"2026-07-28"'

/** Messages of a client. `$` is the value, `#` is a new id. */
const clientMessages = [
  '{"jsonrpc":$,"id":#,"method":"tools/list"}',
  '{"jsonrpc":"2.0","id":$,"method":"tools/list"}',
  '{"jsonrpc":"2.0","id":#,"method":$}',
  '{"jsonrpc":"2.0","id":#,"method":"tools/list","params":$}',
  '{"jsonrpc":"2.0","id":#,"method":"tools/list","params":{"cursor":$}}',
  '{"jsonrpc":"2.0","id":#,"method":"tools/list","params":{"_meta":$}}',
  '{"jsonrpc":"2.0","id":#,"method":"tools/list","params":{"_meta":{"progressToken":$}}}',
  '{"jsonrpc":"2.0","id":#,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":$}}}',
  `{"jsonrpc":"2.0","id":#,"method":"tools/list","params":{"_meta":{${version},"io.modelcontextprotocol/logLevel":$}}}`,
  '{"jsonrpc":"2.0","id":#,"method":"tools/call","params":{"name":$,"arguments":$}}',
  '{"jsonrpc":"2.0","id":#,"method":"resources/subscribe","params":$}',
  '{"jsonrpc":"2.0","id":#,"method":"resources/subscribe","params":{"uri":$}}',
  '{"jsonrpc":"2.0","id":#,"method":"resources/unsubscribe","params":{"uri":$}}',
  '{"jsonrpc":"2.0","id":#,"method":"logging/setLevel","params":$}',
  '{"jsonrpc":"2.0","id":#,"method":"logging/setLevel","params":{"level":$}}',
  '{"jsonrpc":"2.0","id":#,"method":"initialize","params":$}',
  '{"jsonrpc":"2.0","id":#,"method":"initialize","params":{"protocolVersion":$,"capabilities":$,"clientInfo":$}}',
  '{"jsonrpc":"2.0","id":#,"method":"ping","params":$}',
  '{"jsonrpc":"2.0","method":"initialize","params":{"protocolVersion":$}}',
  '{"jsonrpc":"2.0","method":"ping","params":{"a":$}}',
  '{"jsonrpc":"2.0","method":"resources/subscribe","params":{"uri":$}}',
  '{"jsonrpc":"2.0","method":"resources/unsubscribe","params":{"uri":$}}',
  '{"jsonrpc":"2.0","method":"logging/setLevel","params":{"level":$}}',
  '{"jsonrpc":"2.0","method":"notifications/initialized","params":$}',
  '{"jsonrpc":"2.0","method":"notifications/cancelled","params":$}',
  '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":$,"reason":$}}',
  '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$,"progress":$}}',
  '{"jsonrpc":"2.0","id":$,"result":{}}',
  '{"jsonrpc":"2.0","id":#,"result":$}',
  '{"jsonrpc":"2.0","id":#,"error":$}',
  '{"jsonrpc":"2.0","id":#,"error":{"code":$,"message":$}}'
]

/** Messages of a server. */
const serverMessages = [
  '{"jsonrpc":"2.0","id":$,"result":{}}',
  '{"jsonrpc":"2.0","id":$,"error":{"code":1,"message":"no"}}',
  '{"jsonrpc":"2.0","id":#,"error":{"code":$,"message":$}}',
  '{"jsonrpc":"2.0","id":$,"method":"ping"}',
  '{"jsonrpc":"2.0","id":#,"method":"roots/list","params":$}',
  '{"jsonrpc":"2.0","method":"notifications/message","params":$}',
  '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":$,"data":$}}',
  '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":$}}',
  '{"jsonrpc":"2.0","method":"notifications/progress","params":$}',
  '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$}}',
  '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":$}}',
  '{"jsonrpc":"2.0","method":"notifications/cancelled","params":$}',
  '{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":$}}',
  '{"jsonrpc":"2.0","method":"x","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":$}}}'
]

let lastId = 0
const fill = (template: string, value: string): string =>
  template.replaceAll('$', () => value).replace('#', `"n${++lastId}"`)

/** A server that answers each request, and sends what the test gives it. */
class HostileServer extends TextServer {
  /** What the server answers to `initialize` and to other requests. */
  result =
    '{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}'

  constructor(onFrame?: () => void) {
    super()
    this.onFrame = ({ kind, id }: Frame) => {
      onFrame?.()
      if (kind === 'request') {
        this.say(`{"jsonrpc":"2.0","id":${jsonOf(id)},"result":${this.result}}`)
      }
    }
  }

  /** Sends a message as a child process would: a text that is no frame is not sent. */
  trySay(text: string): void {
    try {
      this.say(text)
    } catch (error) {
      if ((error as { name: string }).name !== 'ProxyError') throw error
    }
  }
}

interface Stack {
  server: HostileServer
  input: PassThrough
  /** The messages that the client got. */
  texts: string[]
  log: KeptLog
  ask(method: string): Promise<string>
}

/** Makes the transport to a server. `t` ends what the transport does not end itself. */
type Wrap = (server: HostileServer, log: KeptLog, t: Test) => Duplex

const wrappers: Record<string, Wrap> = {
  'without a wrapper': (server) => server,
  reconnect: (server, log) => reconnect(() => server, { log }),
  'reconnect to a URL': (server, log) => reconnect(() => server, { log, remote: true }),
  share: (server, log) => share(() => server, { log }).port(() => true),
  'share of reconnect': (server, log, t) => {
    const shared = share(() => reconnect(() => server, { log }), { log })
    t.teardown(() => shared.destroy())
    return shared.port()
  },
  'a shared session': (server, log) => shareSessions(() => server, { log }).port(),
  'a shared stateless client': (server, log) => shareSessions(() => server, { log }).port(false)
}

function open(t: Test, wrap: Wrap): Stack {
  const server = new HostileServer()
  const log = new KeptLog()
  const input = new PassThrough()
  const output = new PassThrough()
  const client = acceptStdio({ input, output, log })
  const port = wrap(server, log, t)
  joinPort(client, port)
  t.teardown(async () => {
    client.destroy()
    port.destroy()
    if (!port.closed) await once(port, 'close')
    server.destroy()
  })
  const texts: string[] = []
  let rest = ''
  output.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop() as string
    texts.push(...lines)
  })
  const ask = async (method: string): Promise<string> => {
    const id = `"ask-${++lastId}"`
    input.write(`{"jsonrpc":"2.0","id":${id},"method":"${method}"}\n`)
    const start = performance.now()
    let from = texts.length
    while (performance.now() < start + 3000) {
      for (; from < texts.length; from++) {
        if (texts[from]?.includes(`"id":${id}`) === true) return texts[from] as string
      }
      await turn()
    }
    throw new Error(`no response to ${method}`)
  }
  return { server, input, texts, log, ask }
}

for (const [name, wrap] of Object.entries(wrappers)) {
  t.test(`no value of a client ends the proxy: ${name}`, async (t) => {
    const { input, texts, ask } = open(t, wrap)
    await ask('initialize')
    for (const template of clientMessages) {
      for (const value of values) {
        const text = fill(template, value)
        const from = texts.length
        input.write(`${text}\n`)
        t.match(await ask('tools/list'), '"result"', text)
        const id = /"id":("n\d+").*"method":"/.exec(text)?.[1]
        if (id !== undefined)
          t.ok(
            texts.slice(from).some((text) => text.includes(id)),
            `a response to ${text}`
          )
      }
    }
  })

  t.test(`no value of a server ends the proxy: ${name}`, async (t) => {
    const { server, ask } = open(t, wrap)
    await ask('initialize')
    for (const template of serverMessages) {
      for (const value of values) {
        const text = fill(template, value)
        server.trySay(text)
        t.match(await ask('tools/list'), '"result"', text)
      }
    }
    for (const value of values) {
      server.result = value
      t.match(await ask('tools/list'), '"result"', value)
      server.result = `{"_meta":{"io.modelcontextprotocol/subscriptionId":${value}}}`
      t.match(await ask('subscriptions/listen'), '"result"', value)
    }
  })

  t.test(`no value ends the proxy while the server starts: ${name}`, async (t) => {
    for (const template of clientMessages) {
      const { server, input, ask } = open(t, wrap)
      server.stop()
      for (const value of values) input.write(`${fill(template, value)}\n`)
      await turn()
      setTimeout(() => server.goOn(), 5)
      t.match(await ask('tools/list'), '"result"', template)
    }
  })
}

t.test('no result of `initialize` ends a shared server', async (t) => {
  for (const member of ['protocolVersion', 'capabilities', 'serverInfo']) {
    for (const value of values) {
      const { server, ask } = open(t, (server, log) => shareSessions(() => server, { log }).port())
      server.result = `{"${member}":${value}}`
      t.match(await ask('initialize'), '"result"', `${member} ${value}`)
      t.match(await ask('ping'), '"result":{}')
    }
  }
})

t.test('no list of tools ends the proxy', async (t) => {
  const lists = [
    '{"tools":$}',
    '{"tools":[$]}',
    '{"tools":[{"name":$}]}',
    '{"tools":[{"name":"a","inputSchema":$}]}',
    '{"tools":[{"name":"a","inputSchema":{"properties":$}}]}',
    '{"tools":[{"name":"a","inputSchema":{"properties":{"b":$}}}]}',
    '{"tools":[{"name":"a","inputSchema":{"properties":{"b":{"type":$,"x-mcp-header":$}}}}]}',
    '{"tools":[],"nextCursor":$}'
  ]
  for (const list of lists) {
    for (const value of values) {
      const server = new HostileServer()
      server.result = list.replaceAll('$', () => value)
      const shared = share(() => server)
      const tools = new ToolCache(() => shared.port(), 1000)
      t.strictSame(await tools.paramsOf('a'), [], server.result)
      await shared.destroy()
    }
  }
})
