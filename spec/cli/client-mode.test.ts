// Client mode: its start, its end, and signals.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { startHttpServer } from '../../fixtures/servers/http.js'
import type { HttpServer, Json } from '../../fixtures/servers/http.js'
import { until } from '../helpers.ts'
import { initializeParams } from '../wrappers/peer.ts'
import { run, stop } from './process.ts'
import type { Run } from './process.ts'

async function startServer(t: Test): Promise<HttpServer> {
  const server = await startHttpServer()
  t.teardown(() => server.close())
  return server
}

async function initialize({ say, messages }: Run): Promise<void> {
  say({ id: 'init', method: 'initialize', params: initializeParams })
  await messages.until(({ id }) => id === 'init')
  say({ method: 'notifications/initialized' })
}

const requestsFor = ({ requests }: HttpServer, method: string): number =>
  requests.filter(({ message }) => message?.method === method).length

/** Requests for `test/hang` get their response when `release` is called. */
function holdCalls({ script }: HttpServer): { held: Promise<void>; release: () => void } {
  let release = (): void => {}
  const held = new Promise<void>((resolve) => {
    script.onPost = (message: Json, { byDefault }) => {
      if (message.method !== 'test/hang') return byDefault()
      release = byDefault
      resolve()
    }
  })
  return { held, release: () => release() }
}

t.test('it ends when the input has ended and each request has its response', async (t) => {
  const server = await startServer(t)
  const { held, release } = holdCalls(server)
  const command = run(t, server.url)
  await initialize(command)
  command.say({ id: 1, method: 'test/hang' })
  command.stdin.end()
  await held
  release()
  t.equal(await command.code, 0)
  t.match(
    command.messages.map(({ id }) => id as string),
    ['init', 1]
  )
  t.strictSame([...command.log], [])
  t.equal(server.sessions.size, 0)
})

t.test('a signal to stop is like the end of the input', async (t) => {
  const server = await startServer(t)
  const { held, release } = holdCalls(server)
  const command = run(t, server.url)
  await initialize(command)
  command.say({ id: 1, method: 'test/hang' })
  await held
  stop()
  command.say({ id: 2, method: 'test/late' })
  release()
  t.equal(await command.code, 0)
  t.match(command.messages.at(-1), { id: 1, result: {} })
  t.equal(requestsFor(server, 'test/late'), 0)
  t.ok(command.stdin.destroyed, 'an input that stays open does not keep the process')
})

t.test('the second signal stops it at once', async (t) => {
  const server = await startServer(t)
  const { held } = holdCalls(server)
  const command = run(t, server.url)
  await initialize(command)
  command.say({ id: 1, method: 'test/hang' })
  await held
  stop()
  stop()
  t.equal(await command.code, 0)
  t.match(command.messages.at(-1), { id: 1, error: { code: -32000 } })
  t.equal(server.sessions.size, 0)
  t.strictSame([...command.log], [])
})

t.test('after a signal, requests in flight have until --drain-timeout', async (t) => {
  const server = await startServer(t)
  const { held } = holdCalls(server)
  const command = run(t, `--drain-timeout 50ms ${server.url}`)
  await initialize(command)
  command.say({ id: 1, method: 'test/hang' })
  await held
  stop()
  t.equal(await command.code, 0)
})

t.test('with --drain-timeout 0 they have any time', async (t) => {
  const server = await startServer(t)
  const { held, release } = holdCalls(server)
  const command = run(t, `--drain-timeout 0 ${server.url}`)
  await initialize(command)
  command.say({ id: 1, method: 'test/hang' })
  await held
  stop()
  await new Promise((resolve) => setTimeout(resolve, 50))
  release()
  t.equal(await command.code, 0)
  t.match(command.messages.at(-1), { id: 1, result: {} })
})

t.test('after the end of the input, a request has until --drain-timeout', async (t) => {
  const server = await startServer(t)
  const { held } = holdCalls(server)
  const command = run(t, `--drain-timeout 50ms ${server.url}`)
  await initialize(command)
  command.say({ id: 1, method: 'test/hang' })
  await held
  command.stdin.end()
  t.equal(await command.code, 0)
  t.match(command.messages.at(-1), { id: 1, error: { code: -32000, message: /--drain-timeout/ } })
  t.equal(server.sessions.size, 0, 'the session has got its DELETE')
})

t.test('a signal after the end of the input ends it at once', async (t) => {
  const server = await startServer(t)
  const { held } = holdCalls(server)
  const command = run(t, server.url)
  await initialize(command)
  command.say({ id: 1, method: 'test/hang' })
  await held
  command.stdin.end()
  await sleep(50)
  const began = performance.now()
  stop()
  t.equal(await command.code, 0)
  t.ok(performance.now() - began < 500)
  t.match(command.messages.at(-1), { id: 1, error: { code: -32000 } })
  t.equal(server.sessions.size, 0)
})

t.test('it ends when its parent process has gone', async (t) => {
  const server = await startServer(t)
  const { held } = holdCalls(server)
  const command = run(t, `--drain-timeout 50ms ${server.url}`)
  await initialize(command)
  command.say({ id: 1, method: 'test/hang' })
  await held
  t.intercept(process, 'ppid', { value: 1 })
  t.equal(await command.code, 0)
  t.match(command.messages.at(-1), { id: 1, error: {} })
  t.equal(server.sessions.size, 0)
})

t.test('a request gets an error when no stream is open for its response', async (t) => {
  const server = await startServer(t)
  const command = run(t, server.url)
  server.script.onGet = ({ status }) => status(405)
  server.script.onPost = (message: Json, { byDefault, status }) =>
    message.method === 'test/accepted' ? status(202) : byDefault()
  await initialize(command)
  command.say({ id: 1, method: 'test/accepted' })
  await server.received.until(({ message }) => message?.method === 'test/accepted')
  command.stdin.end()
  await sleep(100)
  process.emit('beforeExit', 0)
  t.equal(await command.code, 0)
  t.match(command.messages.at(-1), {
    id: 1,
    error: { message: /accepted the request and has no stream/ }
  })
})

t.test('a request gets an error when nothing is open that could bring its response', async (t) => {
  const server = await startServer(t)
  const command = run(t, server.url)
  server.script.onPost = (message: Json, { byDefault, status }) =>
    message.method === 'test/accepted' ? status(202) : byDefault()
  await initialize(command)
  command.say({ id: 1, method: 'test/accepted' })
  await server.received.until(({ message }) => message?.method === 'test/accepted')
  await sleep(50)
  process.emit('beforeExit', 0)
  t.match(await command.messages.until(({ id }) => id === 1), {
    error: { message: /sent no response/ }
  })
  command.stdin.end()
  t.equal(await command.code, 0)
})

t.test('the log goes to the file of --log-file', async (t) => {
  const server = await startServer(t)
  const file = `${t.testdir()}/log`
  const command = run(t, `--debug --log-format json --log-file ${file} ${server.url}`)
  server.script.onPost = (message: Json, { byDefault, json }) =>
    message.method === 'test/twice'
      ? json({ jsonrpc: '2.0', id: 'unknown', result: {} })
      : byDefault()
  await initialize(command)
  command.say({ id: 1, method: 'test/twice' })
  await command.messages.until(({ id }) => id === 1)
  command.stdin.end()
  t.equal(await command.code, 0)
  t.strictSame([...command.log], [])
  t.match(readFileSync(file, 'utf8'), /^\{"time":".*"level":"DEBUG","message":"/)
})

t.test(
  'a reader of stdout that is slow gets all; one that is stuck ends with the stop',
  async (t) => {
    const server = await startServer(t)
    server.script.onPost = (message: Json, { byDefault, json }) =>
      message.method === 'test/big'
        ? json({ jsonrpc: '2.0', id: message.id, result: { text: 'x'.repeat(200_000) } })
        : byDefault()
    const command = run(t, `--drain-timeout 50ms --close-timeout 50ms ${server.url}`)
    await initialize(command)
    command.stdout.removeAllListeners('data').pause()
    for (let id = 1; id <= 5; id++) command.say({ id, method: 'test/big' })
    await until(() => command.stdout.readableLength > 0)
    command.stdin.end()
    await sleep(300)
    t.equal(await Promise.race([command.code, sleep(0)]), undefined, 'it still runs')
    stop()
    t.equal(await command.code, 0)
  }
)

t.test('signals are listened to only while it runs', async (t) => {
  const server = await startServer(t)
  const before = process.listenerCount('SIGTERM')
  const command = run(t, server.url)
  await initialize(command)
  t.equal(process.listenerCount('SIGTERM'), before + 1)
  command.stdin.end()
  await command.code
  t.equal(process.listenerCount('SIGTERM'), before)
})

t.test('it ends without an error when the reader of stdout leaves', async (t) => {
  const server = await startServer(t)
  const command = run(t, server.url)
  await initialize(command)
  command.stdout.destroy()
  t.equal(await command.code, 0)
  t.strictSame([...command.log], [])
})

t.test('--record writes each message to the file', async (t) => {
  const server = await startServer(t)
  const file = `${t.testdir()}/session.ndjson`
  const command = run(t, ['--record', file, server.url])
  await initialize(command)
  command.stdin.end()
  t.equal(await command.code, 0)
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  t.match(
    lines.map((line): Json => JSON.parse(line)),
    [
      { from: 'client', session: /^stdio-\d+$/, frame: /"initialize"/ },
      { from: 'server', session: /^stdio-\d+$/, frame: /"result"/ },
      { from: 'client', session: /^stdio-\d+$/, frame: /"notifications\/initialized"/ }
    ]
  )
})

t.test('--audit has the session, its calls, and the invalid messages', async (t) => {
  const server = await startServer(t)
  const file = `${t.testdir()}/audit.ndjson`
  const command = run(t, ['--audit', file, server.url])
  await initialize(command)
  command.stdin.end('x\n')
  t.equal(await command.code, 0)
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  const session = /^stdio-\d+$/
  t.match(
    lines.map((line): Json => JSON.parse(line)),
    [
      { event: 'open', server: 'default', session },
      { event: 'call', session, method: 'initialize', outcome: 'ok' },
      { event: 'refusal', error: 'ERR_FRAME_SYNTAX' },
      { event: 'end', session, outcome: 'ok' }
    ]
  )
  t.equal(lines.length, 4)
})

t.test('--trace-context move sends the trace context in headers', async (t) => {
  const server = await startServer(t)
  const command = run(t, ['--trace-context', 'move', server.url])
  await initialize(command)
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const params = { _meta: { traceparent } }
  command.stdin.write(
    `${JSON.stringify({ jsonrpc: '2.0', id: 9, method: 'tools/list', params })}\n`
  )
  command.stdin.end()
  t.equal(await command.code, 0)
  const post = server.requests.find(({ body }) => body.includes('tools/list'))
  t.equal(post?.headers.traceparent, traceparent)
  t.match(JSON.parse(post?.body ?? ''), { params: { _meta: {} } })
})

t.test('--metrics has the calls of the client', async (t) => {
  const server = await startServer(t)
  const command = run(t, ['--metrics', '0', '--record', `${t.testdir()}/r`, server.url])
  await initialize(command)
  const line = await command.log.until((line) => line.includes('metrics: '))
  const text = await (await fetch(/http:.*/.exec(line ?? '')?.[0] as string)).text()
  t.match(text, /^mcp_client_operation_duration_seconds_count\{.*"initialize".*\} 1$/m)
  t.match(text, /^mcp_duplex_queue_bytes\{queue="record"\} \d+$/m)
  t.match(text, `server_port="${new URL(server.url).port}"`)
  command.stdin.end()
  t.equal(await command.code, 0)
})

t.test('a port of the metrics that is taken is an error', async (t) => {
  const server = await startServer(t)
  const { port } = new URL(server.url)
  const { code, log } = run(t, ['--metrics', port, server.url])
  t.equal(await code, 1)
  const message = `mcp-proxy: --metrics: cannot listen on 127.0.0.1:${port}: the port is taken`
  t.strictSame([...log], [message])
  t.equal(server.requests.length, 0)
})

t.test('a recording that cannot be written is an error before the server is reached', async (t) => {
  const server = await startServer(t)
  const file = `${t.testdir()}/nowhere/session.ndjson`
  const { code, log } = run(t, ['--record', file, '--transport', 'sse', server.sseUrl])
  t.equal(await code, 2)
  t.match([...log], [/^mcp-proxy: cannot write the recording to /])
  t.equal(server.requests.length, 0)
})
