// The transports over HTTP, against the reference server that exercises clients.

import type { Duplex } from 'node:stream'
import tap, { test } from 'tap'
import type { Test } from 'tap'
import { connectHttp } from '../../lib/http-client/connect-http.ts'
import { connectSse } from '../../lib/http-client/connect-sse.ts'
import { connectUrl } from '../../lib/http-client/connect-url.ts'
import type { HttpOptions } from '../../lib/http-client/http-options.ts'
import type { Frame } from '../../lib/message/frame.ts'
import type { Message } from '../../lib/protocol/json-rpc.ts'
import { KeptLog, notification, request, response, watch } from '../helpers.ts'
import { serveEverything } from '../interop/helpers.ts'
import { initialized, parsed } from './helpers.ts'

tap.setTimeout(120_000)

const ways: Record<string, ['streamableHttp' | 'sse', (options: HttpOptions) => Duplex]> = {
  'connectHttp, Streamable HTTP': ['streamableHttp', connectHttp],
  'connectSse, HTTP+SSE': ['sse', connectSse],
  'connectUrl, Streamable HTTP': ['streamableHttp', connectUrl],
  'connectUrl, HTTP+SSE': ['sse', connectUrl]
}

const capabilities = { sampling: {}, roots: { listChanged: true } }
const clientInfo = { name: 'spec', version: '1.0.0' }
const initialize = { protocolVersion: '2025-11-25', capabilities, clientInfo }

const is =
  (method: string) =>
  (frame: Frame): boolean =>
    frame.method === method

for (const [name, [kind, connect]] of Object.entries(ways)) {
  test(name, async (t: Test) => {
    const server = await serveEverything(kind)
    t.teardown(() => server.close())
    const log = new KeptLog()
    const transport = connect({ url: server.url, log })
    const { ask, answer, frames, closed } = watch(transport)
    t.teardown(() => transport.destroy())
    const call = (name: string, args: object = {}, _meta: object = {}): Promise<Message> =>
      ask('tools/call', { name, arguments: args, _meta })

    t.match(await ask('initialize', initialize), {
      result: { serverInfo: { name: /everything/ }, protocolVersion: '2025-11-25' }
    })
    transport.write(initialized)

    // The server asks for the roots unsolicited.
    const roots = await frames.until(is('roots/list'))
    transport.write(response(roots?.id ?? '', { roots: [{ uri: 'file:///spec' }] }))

    const text = 'é 😀 \u2028'
    t.match(await call('echo', { message: text }), {
      result: { content: [{ text: `Echo: ${text}` }] }
    })
    t.match(await ask('no/such/method'), { error: { code: -32601 } })

    const progressToken = 'p'
    const args = { duration: 0.4, steps: 4 }
    const done = await call('trigger-long-running-operation', args, { progressToken })
    t.match(done, { result: { content: [{ type: 'text' }] } })
    const progress = frames.filter(is('notifications/progress')).map(parsed)
    t.strictSame(
      progress.map((message) => message?.params?.progress),
      [1, 2, 3, 4],
      'all progress comes before the response'
    )

    transport.write(
      request('asks', 'tools/call', {
        name: 'trigger-sampling-request',
        arguments: { prompt: 'hello', maxTokens: 10 }
      })
    )
    const question = await frames.until(is('sampling/createMessage'))
    transport.write(
      response(question?.id ?? '', {
        model: 'm',
        role: 'assistant',
        content: { type: 'text', text: 'sampled' }
      })
    )
    t.match(JSON.stringify(await answer('asks')), 'sampled')

    // Two calls at once, one of which is cancelled.
    transport.write(
      request('long', 'tools/call', {
        name: 'trigger-long-running-operation',
        arguments: { duration: 60, steps: 1 }
      })
    )
    t.match(await call('echo', { message: 'meanwhile' }), { result: {} })
    transport.write(notification('notifications/cancelled', { requestId: 'long' }))
    t.match(await call('echo', { message: 'after' }), { result: {} })

    transport.end()
    t.equal(await closed, undefined)
    t.notOk(frames.some(({ id }) => id === 'long'))
    t.strictSame(
      log.lines.filter((line) => !line.startsWith('debug')),
      []
    )
  })
}
