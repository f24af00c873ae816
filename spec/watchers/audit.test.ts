// The audit log of a listener: what is in it for each transport and each end, and what never is.

import { channel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readFileSync, renameSync, statSync, symlinkSync } from 'node:fs'
import type { Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import { audit } from '../../lib/watchers/audit.ts'
import type { Audit, AuditLine } from '../../lib/watchers/audit.ts'
import type { Auth } from '../../lib/http-server/auth/auth.ts'
import { KeptLog, until } from '../helpers.ts'
import {
  farEnds,
  initialize,
  json,
  rawConnection,
  sendRequest,
  serve
} from '../http-server/helpers.ts'
import { bodyOf, headersOf } from '../modern.ts'

const linesIn = (file: string): AuditLine[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditLine)

interface Open {
  log: Audit
  file: string
  kept: KeptLog
  lines(): AuditLine[]
  /** Resolves to the lines when there are that many. */
  count(size: number): Promise<AuditLine[]>
}

async function open(t: Test): Promise<Open> {
  const file = `${t.testdir()}/audit.ndjson`
  const kept = new KeptLog()
  const log = await audit(file, { log: kept })
  t.teardown(() => log.close())
  const lines = (): AuditLine[] => linesIn(file)
  const count = async (size: number): Promise<AuditLine[]> => {
    await until(() => lines().length >= size)
    return lines()
  }
  return { log, file, kept, lines, count }
}

const auth: Auth = { check: (token) => (token === 'hidden' ? { principal: 'ann' } : undefined) }
const authorization = 'Bearer hidden'

t.test('a session has a line when it opens, one for each call, and one when it ends', async (t) => {
  const { file, count } = await open(t)
  const { client, servers } = await serve(t, { auth })
  const raw = client({ headers: { authorization } })
  await raw.initialize()
  const server = servers[0]
  const params = { name: 'read', arguments: { path: 'hidden' } }
  const call = raw.post(json({ id: 7, method: 'tools/call', params }))
  const request = await server?.got('tools/call')
  await server?.respond(request, { content: [{ type: 'text', text: 'hidden' }] })
  await call
  await raw.delete()
  const lines = await count(4)
  const who = { principal: 'ann', address: '127.0.0.1', server: 'default' }
  const session = raw.sessionId?.slice(0, 8)
  t.equal(session?.length, 8)
  t.match(lines, [
    { event: 'open', ...who, session, outcome: 'ok' },
    { event: 'call', ...who, session, method: 'initialize', outcome: 'ok' },
    { event: 'call', ...who, session, method: 'tools/call', name: 'read', outcome: 'ok' },
    { event: 'end', ...who, session, outcome: 'ok' }
  ])
  const [opening, , called, end] = lines as [AuditLine, AuditLine, AuditLine, AuditLine]
  t.strictSame(Object.keys(opening), [
    'time',
    'event',
    'principal',
    'address',
    'server',
    'session',
    'outcome'
  ])
  t.equal(called.bytesIn, json({ id: 7, method: 'tools/call', params }).length)
  t.ok((end.bytesIn as number) > (called.bytesIn as number))
  t.ok((end.bytesOut as number) > (called.bytesOut as number))
  for (const { duration } of [called, end]) t.ok(typeof duration === 'number' && duration >= 0)
  for (const { time } of lines) t.equal(new Date(time).toISOString(), time)
  const text = readFileSync(file, 'utf8')
  t.notMatch(text, 'hidden', 'no argument, result or token')
  t.notMatch(text, raw.sessionId, 'and no session id')
})

t.test('a connection of HTTP+SSE is a session', async (t) => {
  const { count } = await open(t)
  const { sse } = await serve(t)
  const { client, server } = await sse()
  await client.initialize()
  const call = client.request('prompts/get', { name: 'p' })
  await server.respond(await server.got('prompts/get'))
  await call
  void client.request('tools/list').catch(() => {})
  await server.got('tools/list')
  client.close()
  t.match(await count(5), [
    { event: 'open', address: '127.0.0.1', principal: undefined },
    { method: 'initialize', outcome: 'ok' },
    { method: 'prompts/get', name: 'p', outcome: 'ok' },
    { event: 'call', method: 'tools/list', outcome: 'closed' },
    { event: 'end' }
  ])
})

t.test('a client without a session has calls only', async (t) => {
  const { count, lines } = await open(t)
  const { client, servers } = await serve(t)
  const raw = client()
  const post = raw.post(
    bodyOf('1', 'resources/read', { uri: 'a://b?c' }),
    headersOf('resources/read', { uri: 'a://b?c' })
  )
  await until(() => servers.length === 1)
  await servers[0]?.respond(await servers[0]?.got('resources/read'), { contents: [] })
  await post
  t.match(await count(1), [
    { event: 'call', method: 'resources/read', name: 'a://b', outcome: 'ok', session: undefined }
  ])
  const gone = await raw.open('POST', bodyOf('2', 'tools/list'), {
    ...headersOf('tools/list'),
    accept: 'text/event-stream'
  })
  gone.destroy()
  t.match((await count(2))[1], { method: 'tools/list', outcome: 'closed' })
  const failing = raw.post(bodyOf('3', 'tools/list'), headersOf('tools/list'))
  await until(() => servers.length === 3)
  servers[2]?.destroy(new ProxyError('ERR_SERVER_EXITED', 'gone'))
  await failing
  t.match((await count(3))[2], {
    method: 'tools/list',
    outcome: 'error',
    error: 'ERR_SERVER_EXITED'
  })
  t.equal(lines().length, 3)
})

t.test('with --stateless each POST is a call, and a notification none', async (t) => {
  const { count, lines } = await open(t)
  const { client, servers } = await serve(t, { stateless: true })
  const raw = client()
  await raw.post(json({ method: 'notifications/roots/list_changed' }))
  await raw.post(json({ id: 1, method: 'ping' }))
  await servers.until(() => true)
  t.match(await count(1), [{ event: 'call', method: 'ping', outcome: 'ok' }])
  t.equal(lines().length, 1)
})

t.test('cancelled and undelivered calls of a session say so', async (t) => {
  const { count } = await open(t)
  const { session, listener } = await serve(t)
  const { client, server } = await session()
  const first = client.post(json({ id: 1, method: 'a' }))
  await server.got('a')
  await client.post(json({ method: 'notifications/cancelled', params: { requestId: 1 } }))
  await first
  const { socket } = rawConnection(t, listener)
  const body = json({ id: 2, method: 'b' })
  const head = `POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json\r\nMcp-Session-Id: ${client.sessionId}\r\nContent-Length: ${body.length}\r\n\r\n`
  socket.write(head + body)
  await server.got('b')
  const farEnd = [...farEnds].find(({ remotePort }) => remotePort === socket.localPort) as Socket
  socket.destroy()
  await once(farEnd, 'close')
  await server.respond({ id: 2 })
  // The session reads the late response when its client has a connection again.
  await client.request('ping')
  t.match((await count(5)).slice(2), [
    { method: 'a', outcome: 'cancelled' },
    { method: 'b', outcome: 'undelivered' },
    { method: 'ping', outcome: 'ok' }
  ])
})

t.test('each refusal has a line', async (t) => {
  const { count, file } = await open(t)
  const { client, listener } = await serve(t, { auth, maxCallerCalls: 1 })
  await client().post(json(initialize))
  await sendRequest(t, listener, 'GET', 'nowhere?token=hidden', { authorization })
  await client({ headers: { authorization } }).post(
    json({ id: 1, method: 'tools/call', params: { name: 'x', secret: 'hidden' } })
  )
  await client({ headers: { authorization, 'mcp-session-id': 'stolen-session-id' } }).post('{}')
  const { socket } = rawConnection(t, listener)
  socket.write('hidden\r\n\r\n')
  t.match(await count(5), [
    { event: 'refusal', request: 'POST /mcp', outcome: 'refused', error: 'ERR_UNAUTHORIZED' },
    { event: 'refusal', request: 'GET /nowhere', error: 'ERR_NOT_FOUND', principal: 'ann' },
    { method: 'tools/call', name: 'x', error: 'ERR_REQUEST', server: 'default' },
    { session: 'stolen-s', error: 'ERR_SESSION_UNKNOWN' },
    { error: 'ERR_REQUEST', address: '127.0.0.1' }
  ])
  t.notMatch(readFileSync(file, 'utf8'), 'hidden')
})

t.test('hostile texts are cut, and stay in one line', async (t) => {
  const { count, file } = await open(t)
  const { session } = await serve(t)
  const { client, server } = await session()
  const method = `x\n${'y'.repeat(1000)}`
  void client.post(json({ id: 1, method })).catch(() => {})
  await server.got(method)
  const name = '\u2028"}'.repeat(1000)
  void client.post(json({ id: 2, method: 'tools/call', params: { name } })).catch(() => {})
  await server.got('tools/call')
  await server.respond({ id: 1 })
  await server.respond({ id: 2 })
  const lines = await count(4)
  t.equal(lines.length, 4)
  t.equal(lines[2]?.method, `${method.slice(0, 256)}…`)
  t.equal(lines[3]?.name, `${name.slice(0, 256)}…`)
  t.ok(readFileSync(file).length < 5000)
})

t.test('the log continues in a new file when the old one was renamed', async (t) => {
  const { log, file, count } = await open(t)
  const { client } = await serve(t)
  await client().post(json(initialize))
  await count(2)
  renameSync(file, `${file}.1`)
  await log.reopen()
  t.ok(log.isWritable)
  await client().post(json(initialize))
  t.match(await count(2), [{ event: 'open' }, { method: 'initialize' }])
  t.equal(linesIn(`${file}.1`).length, 2)
})

const noPosix = process.platform === 'win32'

t.test(
  'only the owner can read the file, and no link is followed',
  { skip: noPosix },
  async (t) => {
    const { file } = await open(t)
    t.equal(statSync(file).mode & 0o777, 0o600)
    symlinkSync(file, `${file}.link`)
    await t.rejects(audit(`${file}.link`), {
      code: 'ERR_CONFIG',
      message: `cannot write the audit log to ${file}.link`
    })
  }
)

const noFull = process.platform !== 'linux' && 'no /dev/full'

t.test('a full disk stops the log, and not the service', { skip: noFull }, async (t) => {
  const kept = new KeptLog()
  const log = await audit('/dev/full', { log: kept })
  const { client } = await serve(t)
  t.ok(log.isWritable)
  for (let n = 0; n < 3; n++) t.equal((await client().post(json(initialize))).status, 200)
  await until(() => !log.isWritable)
  t.equal((await client().post(json(initialize))).status, 200)
  await log.close()
  t.match(
    [...kept.lines],
    [/^error: cannot write the audit log to \/dev\/full: ENOSPC.*the audit log stops$/]
  )
  t.equal(kept.lines.length, 1)
})

t.test(
  'a `refusal` that looks at the log serves no one without it',
  { skip: noFull },
  async (t) => {
    const log = await audit('/dev/full')
    t.teardown(() => log.close())
    const lost = new ProxyError('ERR_AUDIT', 'the audit log cannot be written')
    const refusal = (): ProxyError | undefined => (log.isWritable ? undefined : lost)
    const { client, listener } = await serve(t, { refusal })
    const raw = client()
    await raw.post(json(initialize))
    await until(() => !log.isWritable)
    t.match(await raw.post(json(initialize)), {
      status: 503,
      text: /the audit log cannot be written/
    })
    t.equal((await sendRequest(t, listener, 'GET', 'healthz')).statusCode, 200)
  }
)

t.test('a disk that is too slow stops the log', async (t) => {
  const output = new PassThrough({ highWaterMark: 1 })
  t.intercept(process, 'stdout', { value: output as never })
  const kept = new KeptLog()
  const log = await audit('-', { log: kept })
  t.teardown(() => log.close())
  const fact = { error: new ProxyError('ERR_REQUEST', 'x'), address: 'x'.repeat(1024 * 1024) }
  for (let n = 0; n < 20 && log.isWritable; n++) channel('mcp-duplex:refusal').publish(fact)
  t.notOk(log.isWritable)
  t.match(
    [...kept.lines],
    [/^error: cannot write the audit log to -: 1\d+ bytes wait for the disk; the/]
  )
  output.resume()
})

t.test('a fact of another publisher cannot end the process', async (t) => {
  const { kept, lines } = await open(t)
  for (const name of ['session', 'message', 'refusal']) {
    channel(`mcp-duplex:${name}`).publish({ type: 'end' })
  }
  await new Promise((resolve) => setImmediate(resolve))
  t.match(
    [...kept.lines],
    Array.from({ length: 3 }, () => /^error: a fact is not in the audit log: /)
  )
  t.strictSame(lines(), [])
})

t.test('an address that is not known is left out', async (t) => {
  const { count } = await open(t)
  const error = new ProxyError('ERR_REQUEST', 'x')
  channel('mcp-duplex:refusal').publish({ error, address: '' })
  const [line] = await count(1)
  t.strictSame(Object.keys(line as object), ['time', 'event', 'outcome', 'error'])
})

t.test('without a log nobody subscribes', async (t) => {
  const { log } = await open(t)
  for (const name of ['session', 'message', 'refusal']) {
    t.ok(channel(`mcp-duplex:${name}`).hasSubscribers)
  }
  await log.close()
  for (const name of ['session', 'message', 'refusal']) {
    t.notOk(channel(`mcp-duplex:${name}`).hasSubscribers)
  }
})
