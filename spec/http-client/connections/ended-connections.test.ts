// Servers that close the connection while the proxy has paused the reading of a response.

import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import type { Test } from 'tap'
import { HttpClient } from '../../../lib/http-client/http-client.ts'

t.setTimeout(30_000)

const head = (...lines: string[]): string =>
  ['HTTP/1.1 200 OK', 'Content-Type: text/plain', ...lines, '', ''].join('\r\n')

/** Starts a server that sends the parts of a response, and then calls `end`. Returns its port. */
async function serve(
  t: Test,
  parts: (string | Buffer)[],
  end: (socket: Socket) => unknown
): Promise<number> {
  const server = createServer((socket) => {
    socket
      .on('error', () => {})
      .once('data', () => {
        let at = 0
        const next = (): void => {
          const part = parts[at++]
          if (part === undefined) end(socket)
          else socket.write(part, () => setTimeout(next, 10))
        }
        next()
      })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

/**
 * Reads the response, and pauses at each part of the body for some time. Resolves to the body, or
 * to the code of the error.
 */
async function read(t: Test, url: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const client = new HttpClient({ url: new URL(url), env }, (cause) => t.fail(String(cause)))
  t.teardown(() => client.destroy())
  let body = ''
  return new Promise((resolve) => {
    client.send(
      { method: 'POST', headers: {}, body: Buffer.from('{}') },
      {
        onHeaders: () => {},
        onData: (chunk) => {
          body += chunk.toString()
          client.pause()
          setTimeout(() => client.resume(), 100)
        },
        onEnd: () => resolve(body),
        onError: ({ code }) => resolve(code)
      }
    )
  })
}

const end = (socket: Socket): unknown => socket.end()

const gzipped = gzipSync('abc')

const complete: Record<string, (string | Buffer)[]> = {
  'without a length': [head('Connection: close'), 'abc'],
  'in parts': [head('Connection: close'), 'a', 'b', 'c'],
  'in one part with the headers': [`${head('Connection: close')}abc`],
  'with a length': [head('Connection: close', 'Content-Length: 3'), 'abc'],
  'with a length, on a connection to be kept': [head('Content-Length: 3'), 'abc'],
  chunked: [head('Connection: close', 'Transfer-Encoding: chunked'), '3\r\nabc\r\n', '0\r\n\r\n'],
  gzipped: [
    head('Connection: close', 'Content-Encoding: gzip', `Content-Length: ${gzipped.length}`),
    gzipped
  ]
}

for (const [how, parts] of Object.entries(complete)) {
  t.test(`a response ${how} is complete if the server closes during a pause`, async (t) => {
    const port = await serve(t, parts, end)
    t.equal(await read(t, `http://127.0.0.1:${port}`), 'abc')
  })
}

t.test('a response that is cut off during a pause fails', async (t) => {
  const lengths = ['Content-Length: 9', 'Transfer-Encoding: chunked']
  for (const length of lengths) {
    for (const connection of ['Connection: close', 'X: y']) {
      const port = await serve(t, [head(connection, length), '3\r\nabc\r\n'], end)
      t.equal(
        await read(t, `http://127.0.0.1:${port}`),
        'ERR_CONNECTION',
        `${connection}, ${length}`
      )
    }
  }
})

t.test('a connection that is reset during a pause fails only its request', async (t) => {
  const port = await serve(t, [head('Connection: close'), 'abc'], (socket) =>
    socket.resetAndDestroy()
  )
  t.equal(await read(t, `http://127.0.0.1:${port}`), 'ERR_CONNECTION')
})

t.test('the same holds behind an HTTP proxy, and for hosts that need none', async (t) => {
  const port = await serve(t, [head('Connection: close'), 'abc'], end)
  const proxy = `http://127.0.0.1:${port}`
  t.equal(await read(t, 'http://example.test', { HTTP_PROXY: proxy }), 'abc')
  const env = { HTTP_PROXY: 'http://127.0.0.1:1', NO_PROXY: '127.0.0.1' }
  t.equal(await read(t, proxy, env), 'abc')
})
