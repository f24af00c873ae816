// Servers that end or reset a connection while nobody reads the response. undici must not throw then.

import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { Dispatcher } from 'undici'
import t from 'tap'
import type { Test } from 'tap'
import { createAgent } from '../../../lib/http-client/connections/agent.ts'
import { overHttp } from '../helpers.ts'
import { request } from '../../helpers.ts'

const encoded = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: br\r\n\r\n'
const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n'

/** Resolves to what the reader of a response gets. It pauses at the first part of the body. */
async function read(t: Test, end: (socket: Socket) => void, start = head): Promise<string[]> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(`${start}body`)
      setTimeout(() => end(socket), 50)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const origin = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const agent = await createAgent({ origin, env: {} })
  t.teardown(async () => {
    await agent.destroy()
    server.close()
  })
  const events: string[] = []
  await new Promise<void>((resolve) => {
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {},
      onResponseStart() {},
      onResponseData(controller, chunk) {
        if (chunk.length > 0) events.push(String(chunk))
        controller.pause()
      },
      onResponseEnd() {
        events.push('end')
        resolve()
      },
      onResponseError(_controller, error) {
        events.push((error as NodeJS.ErrnoException).code ?? error.message)
        resolve()
      }
    }
    agent.dispatch({ origin, path: '/', method: 'GET' }, handler)
  })
  return events
}

t.test('a response that ends with its connection is complete, even if it is paused', async (t) => {
  t.strictSame(await read(t, (socket) => socket.end()), ['body', 'end'])
})

t.test(
  'a response with a length is complete, even if it is paused when its connection ends',
  async (t) => {
    const whole = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n'
    const events = await read(t, (socket) => socket.end(), whole)
    t.strictSame(events, ['body', 'end'])
  }
)

t.test('a reset of the connection is an error, even if the response is paused', async (t) => {
  const [body, error] = await read(t, (socket) => socket.resetAndDestroy())
  t.equal(body, 'body')
  t.match(error, /UND_ERR_SOCKET|ECONNRESET/)
})

t.test(
  'a body in a wrong encoding that ends with its connection fails its request only',
  async (t) => {
    const { transport, answer, initialize } = await overHttp(t, {
      onPost(message, { res, byDefault }) {
        if (message?.method !== 'tools/list') return byDefault()
        res.socket?.end(Buffer.concat([Buffer.from(encoded), gzipSync('{}'.repeat(100))]))
      }
    })
    await initialize()
    transport.write(request(1, 'tools/list'))
    t.match(await answer(1), { error: { message: /decode/ } })
  }
)
