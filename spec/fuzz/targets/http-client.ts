// The clients over HTTP. A server answers each of their requests with the next part of the input. The
// transport must answer its reader or close, and it must close when it is destroyed.

import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectHttp } from '../../../lib/http-client/connect-http.ts'
import { connectSse } from '../../../lib/http-client/connect-sse.ts'
import { connectUrl } from '../../../lib/http-client/connect-url.ts'
import type { HttpOptions } from '../../../lib/http-client/http-options.ts'
import type { Frame } from '../../../lib/message/frame.ts'
import { initializeParams, notification, request } from '../../helpers.ts'
import { nextResponse, responses } from '../inputs/http.ts'
import { expect, target } from '../target.ts'
import type { Target } from '../target.ts'

let server: Promise<Server> | undefined
/** The responses that the next requests get. */
let parts: Buffer[] = []

async function startServer(): Promise<Server> {
  const made = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {}).on('end', () => socket.destroySoon())
    let head = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      head += text
      if (!head.includes('\r\n\r\n')) return
      head = ''
      socket.end(parts.shift() ?? 'HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n')
    })
  })
  await once(made.listen(0, '127.0.0.1'), 'listening')
  return made
}

function split(input: Buffer): [string, Buffer[]] {
  const found: Buffer[] = []
  let start = 0
  for (
    let end;
    (end = input.indexOf(nextResponse, start)) !== -1;
    start = end + nextResponse.length
  ) {
    found.push(input.subarray(start, end))
  }
  found.push(input.subarray(start))
  const [kind = Buffer.alloc(0)] = found
  return [kind.toString('latin1'), found.slice(1)]
}

const connects: Record<string, (options: HttpOptions) => Duplex> = {
  http: connectHttp,
  sse: connectSse,
  url: connectUrl
}

/** How long the transport may wait, for example to resume a stream, before it is destroyed, in ms. */
const patience = 150

interface Output {
  frames: Frame[]
  error: Error | undefined
  closed: boolean
}

export const client: Target = target<Output>({
  name: 'http-client',
  share: 2,
  waits: true,
  make: responses,
  async run(input) {
    const { port } = (await (server ??= startServer())).address() as AddressInfo
    const [kind, given] = split(input)
    parts = given
    const connect = connects[kind] ?? connectHttp
    const transport = connect({
      url: `http://127.0.0.1:${port}/mcp`,
      connectTimeout: 100,
      closeTimeout: 20,
      env: {}
    })
    const frames: Frame[] = []
    let error: Error | undefined
    let closed = false
    const isClosed = new Promise<void>((resolve) => {
      transport.once('close', () => {
        closed = true
        resolve()
      })
    })
    transport.on('error', (failure) => (error = failure))
    const answered = new Promise<void>((resolve) => {
      transport.on('data', (frame: Frame) => {
        frames.push(frame)
        if (frame.kind === 'response' && frame.id === 'last') resolve()
      })
    })
    transport.write(request('init', 'initialize', initializeParams))
    transport.write(notification('notifications/initialized'))
    transport.write(request('last', 'tools/list'))
    const patient = new AbortController()
    await Promise.race([
      answered,
      isClosed,
      sleep(patience, undefined, { signal: patient.signal }).catch(() => {})
    ])
    patient.abort()
    transport.destroy()
    await isClosed
    return { frames, error, closed }
  },
  compare(_input, { frames, error, closed }) {
    expect(closed, 'the transport does not close')
    if (error !== undefined) expect(error.name === 'ProxyError', `closes with ${error.stack}`)
    for (const frame of frames) JSON.parse(String(frame))
    for (const id of ['init', 'last']) {
      const count = frames.filter((frame) => frame.kind === 'response' && frame.id === id).length
      expect(count <= 1, `${count} responses to ${id}`)
    }
  },
  async close() {
    ;(await server)?.close()
  }
})
