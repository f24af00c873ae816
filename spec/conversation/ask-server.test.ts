// Requests of the proxy itself to a server.

import t from 'tap'
import { ask, sendInOrder } from '../../lib/conversation/ask-server.ts'
import { openingFrames } from '../../lib/conversation/legacy-session.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { connectChild } from '../../lib/stdio/connect-child.ts'
import { version } from '../../lib/version.ts'
import { reconnect } from '../../lib/wrappers/reconnect.ts'
import { misbehaving, notification, request, watch } from '../helpers.ts'

t.test('each request is sent after the response to the request before it', async (t) => {
  const server = connectChild(misbehaving())
  t.teardown(() => void server.destroy())
  const frames = [
    ...openingFrames(),
    request(1, 'test/sleep', { ms: 50 }),
    request(2, 'test/nowhere'),
    request(3, 'test/received')
  ]
  const last = await sendInOrder(server, frames, { timeout: 0 })
  const { lines } = last?.message().result as { lines: string[] }
  t.strictSame(lines, frames.map(String), 'and the last response is the result')
  t.ok(server.isPaused())
  const watched = watch(server.resume())
  t.match(await watched.ask('ping'), { result: {} })
})

t.test('without frames it resolves to no response', async (t) => {
  const server = connectChild(misbehaving())
  t.teardown(() => void server.destroy())
  t.equal(await sendInOrder(server, [], { timeout: 1 }), undefined)
})

t.test('other frames of the server go to the callback, or are dropped', async (t) => {
  const server = connectChild(misbehaving())
  t.teardown(() => void server.destroy())
  const notify = request(1, 'test/notify', { method: 'test/hello' })
  const heard: Frame[] = []
  await ask(server, notify, { timeout: 0, onFrame: (frame) => heard.push(frame) })
  t.strictSame(heard.map(String), [String(notification('test/hello'))])
  t.equal((await ask(server, notify, { timeout: 0 })).id, 1)
})

t.test('a server that refuses `initialize` fails to start', async (t) => {
  const server = connectChild({
    command: process.execPath,
    args: [
      '-e',
      `
    process.stdin.once('data', () => {
      console.log('{"jsonrpc":"2.0","id":0,"error":{"code":1,"message":"no"}}')
    })`
    ]
  })
  t.teardown(() => void server.destroy())
  await t.rejects(sendInOrder(server, openingFrames(), { timeout: 0 }), {
    code: 'ERR_SERVER_START',
    message: 'the server refused initialize'
  })
})

t.test('a server that closes fails to start, with its error as the cause', async (t) => {
  const server = connectChild(misbehaving('--crash-on-start', '5'))
  await t.rejects(sendInOrder(server, openingFrames(), { timeout: 0 }), {
    code: 'ERR_SERVER_START',
    message: 'the server closed the connection before it answered initialize',
    cause: { code: 'ERR_SERVER_EXITED', message: /exited with code 5/ }
  })
  const other = connectChild(misbehaving())
  const initialized = sendInOrder(other, openingFrames(), { timeout: 0 })
  other.destroy()
  await t.rejects(initialized, { code: 'ERR_SERVER_START', cause: undefined })
})

t.test('a server that has closed before the request fails at once', async (t) => {
  const server = connectChild({ command: '/nowhere' })
  server.on('error', () => {})
  await new Promise<void>((resolve) => server.once('close', () => resolve()))
  await t.rejects(ask(server, request(1, 'initialize'), { timeout: 0 }), {
    code: 'ERR_SERVER_START',
    cause: { code: 'ERR_COMMAND_NOT_FOUND' }
  })
})

t.test('an error response that the proxy made is not a refusal of the server', async (t) => {
  const server = reconnect(() => connectChild(misbehaving('--crash-on-start', '5')))
  await t.rejects(sendInOrder(server, openingFrames(), { timeout: 0 }), {
    code: 'ERR_SERVER_START',
    message: 'the server did not answer initialize',
    cause: { code: 'ERR_SERVER_EXITED' }
  })
  await new Promise((resolve) => server.resume().once('close', resolve))
})

t.test('a server that does not answer in time fails', async (t) => {
  const server = connectChild(misbehaving('--no-initialize-answer'))
  t.teardown(() => void server.destroy())
  await t.rejects(sendInOrder(server, openingFrames(), { timeout: 50 }), {
    code: 'ERR_TIMEOUT',
    message: 'the server took too long to answer initialize'
  })
})

t.test('the proxy initializes without client capabilities', async (t) => {
  const [initialize, initialized] = openingFrames()
  t.match(initialize?.message(), {
    method: 'initialize',
    params: {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'mcp-proxy', version }
    }
  })
  t.equal(initialized?.method, 'notifications/initialized')
})
