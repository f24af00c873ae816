// Which part of an error a client over HTTP gets, and which part only the log gets.

import { test } from 'tap'
import type { Test } from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import { logDetails, withoutDetails } from '../../lib/http-server/client-error.ts'
import type { ListenerOptions } from '../../lib/http-server/listener.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { errorFrame } from '../../lib/message/refusal.ts'
import { answerTo } from '../../lib/message/response-to.ts'
import { ServerGoneError } from '../../lib/streams/server-gone-error.ts'
import { KeptLog } from '../helpers.ts'
import { bodyOf, headersOf } from '../modern.ts'
import { json, serve } from './helpers.ts'

const exited = (): ProxyError =>
  new ServerGoneError(
    'ERR_SERVER_EXITED',
    'the server (/home/me/server) exited with code 3; it said: the password is 1234',
    [],
    'the server exited with code 3'
  )

const secrets = /\/home|1234/

test('an error about the text of a server does not show this text', async (t) => {
  const log = new KeptLog()
  const failure = new ProxyError(
    'ERR_FRAME_SYNTAX',
    'the message is not JSON ("the password i"...)'
  )
  const response = withoutDetails(errorFrame(1, failure), failure, log)
  t.match(response.message(), {
    id: 1,
    error: { code: -32700, message: 'the server sent an invalid response' }
  })
  t.match(log.lines, [/the password/])
})

test('an error response keeps its id byte for byte, and loses its details', async (t) => {
  const log = new KeptLog()
  const request = parseFrame(
    Buffer.from('{"jsonrpc":"2.0","id":12345678901234567890,"method":"x"}')
  )
  const failure = exited()
  const response = withoutDetails(answerTo(request, errorFrame(0, failure)), failure, log)
  t.equal(
    response.toString(),
    '{"jsonrpc":"2.0","id":12345678901234567890,' +
      '"error":{"code":-32000,"message":"the server exited with code 3"}}'
  )
  t.equal(response.failure, failure)
  t.match(log.lines.join('\n'), secrets)
})

test('the log gets the details of an error once, and only if a client does not get them', async (t) => {
  const log = new KeptLog()
  const failure = exited()
  logDetails(failure, log)
  logDetails(failure, log)
  logDetails(new ProxyError('ERR_REQUEST', 'name your session'), log)
  t.equal(log.lines.length, 1)
})

/** How the clients of each transport get the error with which their server fails. */
const clients: Record<string, (t: Test, options: ListenerOptions) => Promise<string>> = {
  'a session with JSON': async (t, options) => {
    const { session } = await serve(t, options)
    const { client, server } = await session()
    const reading = client.post(json({ id: 7, method: 'x' }))
    await server.got('x')
    server.destroy(exited())
    return (await reading).text
  },
  'a session with an event stream': async (t, options) => {
    const { session } = await serve(t, options)
    const { client, server } = await session()
    const reading = client.post(json({ id: 7, method: 'x' }), { accept: 'text/event-stream' })
    await server.got('x')
    server.destroy(exited())
    return (await reading).text
  },
  'a batch': async (t, options) => {
    const { session } = await serve(t, options)
    const { client, server } = await session('2025-03-26')
    const call = (id: number): string => json({ id, method: 'x' })
    const reading = client.post(`[${call(7)},${call(8)}]`)
    await server.got('x', 8)
    server.destroy(exited())
    return (await reading).text
  },
  'a session whose server sends the error': async (t, options) => {
    const { session } = await serve(t, options)
    const { client, server } = await session()
    const reading = client.post(json({ id: 7, method: 'x' }))
    await server.got('x')
    server.push(errorFrame(7, exited()))
    return (await reading).text
  },
  'HTTP+SSE': async (t, options) => {
    const { sse } = await serve(t, options)
    const { client, server } = await sse()
    const reading = client.request('x')
    await server.got('x')
    server.destroy(exited())
    return JSON.stringify(await reading)
  },
  'a POST without a session': async (t, options) => {
    const { client, servers } = await serve(t, { ...options, stateless: true })
    const reading = client().post(json({ id: 7, method: 'x' }))
    const server = await servers.until(() => true)
    server?.destroy(exited())
    return (await reading).text
  },
  'a POST of the modern revision whose check fails': async (t, options) => {
    const { client } = await serve(t, {
      ...options,
      mirroredParams: () => Promise.reject(exited())
    })
    const params = { name: 'x' }
    const body = bodyOf('7', 'tools/call', params)
    return (await client().post(body, headersOf('tools/call', params))).text
  }
}

for (const [name, failed] of Object.entries(clients)) {
  test(`${name} gets the exit code without the details, and the log has them`, async (t) => {
    const log = new KeptLog()
    const text = await failed(t, { log })
    t.match(text, /the server exited with code 3"/)
    t.notMatch(text, secrets)
    t.match(log.lines.join('\n'), secrets)
  })
}
