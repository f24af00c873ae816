// SessionState a conversation on behalf of somebody else.

import t from 'tap'
import { open, openingOfProxy } from '../../lib/conversation/ask.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { connectChild } from '../../lib/stdio/connect-child.ts'
import { version } from '../../lib/version.ts'
import { reconnect } from '../../lib/wrappers/reconnect.ts'
import { notification, rascal, request, watch } from '../helpers.ts'

t.test('each request waits for the answer to the one before it', async (t) => {
  const server = connectChild(rascal())
  t.teardown(() => void server.destroy())
  const frames = [
    ...openingOfProxy(),
    request(1, 'test/sleep', { ms: 50 }),
    request(2, 'test/nowhere'),
    request(3, 'test/received')
  ]
  const answer = await open(server, frames, { timeout: 0 })
  const { lines } = answer?.message().result as { lines: string[] }
  t.strictSame(lines, frames.map(String), 'and the last answer is the result')
  t.ok(server.isPaused())
  const watched = watch(server.resume())
  t.match(await watched.ask('ping'), { result: {} })
})

t.test('nothing to say is no matter', async (t) => {
  const server = connectChild(rascal())
  t.teardown(() => void server.destroy())
  t.equal(await open(server, [], { timeout: 1 }), undefined)
})

t.test('what else the server says is handed on, or dropped', async (t) => {
  const server = connectChild(rascal())
  t.teardown(() => void server.destroy())
  const frames = [request(1, 'test/notify', { method: 'test/hello' })]
  const heard: Frame[] = []
  await open(server, frames, { timeout: 0, onFrame: (frame) => heard.push(frame) })
  t.strictSame(heard.map(String), [String(notification('test/hello'))])
  await open(server, frames, { timeout: 0 })
})

t.test('a server that refuses to be initialized', async (t) => {
  const server = connectChild({
    command: process.execPath,
    args: [
      '-e',
      `
    process.stdin.once('data', () => {
      console.log('{"jsonrpc":"2.0","id":"mcp-proxy","error":{"code":1,"message":"no"}}')
    })`
    ]
  })
  t.teardown(() => void server.destroy())
  await t.rejects(open(server, openingOfProxy(), { timeout: 0 }), {
    code: 'ERR_SERVER_START',
    message: 'the server refused initialize'
  })
})

t.test('a server that leaves says why', async (t) => {
  const server = connectChild(rascal('--crash-on-start', '5'))
  await t.rejects(open(server, openingOfProxy(), { timeout: 0 }), {
    code: 'ERR_SERVER_START',
    message: 'the server left before it answered initialize',
    cause: { code: 'ERR_SERVER_EXITED', message: /exited with code 5/ }
  })
  const other = connectChild(rascal())
  const opened = open(other, openingOfProxy(), { timeout: 0 })
  other.destroy()
  await t.rejects(opened, { code: 'ERR_SERVER_START', cause: undefined })
})

t.test('a failure that comes as an answer is not the server’s own word', async (t) => {
  const server = reconnect(() => connectChild(rascal('--crash-on-start', '5')))
  await t.rejects(open(server, openingOfProxy(), { timeout: 0 }), {
    code: 'ERR_SERVER_START',
    message: 'the server did not answer initialize',
    cause: { code: 'ERR_SERVER_EXITED' }
  })
  await new Promise((resolve) => server.resume().once('close', resolve))
})

t.test('a server that does not answer is given up', async (t) => {
  const server = connectChild(rascal('--no-initialize-answer'))
  t.teardown(() => void server.destroy())
  await t.rejects(open(server, openingOfProxy(), { timeout: 50 }), {
    code: 'ERR_TIMEOUT',
    message: 'the server took too long to answer initialize'
  })
})

t.test('the proxy itself has no capabilities', async (t) => {
  const [initialize, initialized] = openingOfProxy()
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
