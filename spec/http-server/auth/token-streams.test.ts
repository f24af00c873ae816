// Open event streams end when their tokens do not count any more.

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { sseClient } from '../../../fixtures/clients/raw.js'
import type { Auth } from '../../../lib/http-server/auth/auth.ts'
import { issuerAuth } from '../../../lib/http-server/auth/issuer-auth.ts'
import { tokenAuth } from '../../../lib/http-server/auth/token-auth.ts'
import { bodyOf, headersOf } from '../../modern.ts'
import { json, rawConnection, serve, until } from '../helpers.ts'
import { inSeconds, startIssuer } from './small-issuer.ts'

/** The authorization of one user, which the test can end. */
function switchable(): { auth: Auth; end(): void } {
  let valid = true
  return {
    auth: { check: (token) => ({ principal: token, isValid: () => valid }) },
    end: () => {
      valid = false
    }
  }
}

const headers = { authorization: 'Bearer alice' }

test('a GET stream ends when its token expires, plus the clock skew', async (t) => {
  const issuer = await startIssuer(t)
  const auth = issuerAuth({ issuers: [issuer.url], clockSkew: 1000 })
  const { client, listener } = await serve(t, { auth })
  const aud = `${listener.url}mcp`
  const exp = inSeconds(2)
  const authorization = `Bearer ${await issuer.sign({ aud, exp })}`
  const made = client({ headers: { authorization } })
  await made.initialize()
  const stream = await made.openGet()
  await once(stream.response, 'end')
  const late = Date.now() - exp * 1000
  t.ok(late >= 1000, `${late} ms after the token expired`)
  t.ok(late < 6000, `${late} ms after the token expired`)
  t.match(await made.post(json({ id: 1, method: 'ping' })), { status: 401 })
  made.headers.authorization = `Bearer ${await issuer.sign({ aud })}`
  t.match(await made.post(json({ id: 2, method: 'ping' })), { status: 200 }, 'the session goes on')
})

test('streams end when their token is removed from the file, others do not', async (t) => {
  const file = `${t.testdir({ tokens: 'alice:a\nbob:b\n' })}/tokens`
  const { listener } = await serve(t, { auth: tokenAuth({ file }) })
  const [alice, bob] = await Promise.all(
    ['a', 'b'].map((token) =>
      sseClient(new URL('sse', listener.url), { headers: { authorization: `Bearer ${token}` } })
    )
  )
  t.teardown(() => bob?.close())
  writeFileSync(file, 'bob:b\n')
  await alice?.closed
  t.equal(listener.sessions, 1)
  await sleep(1200)
  t.equal(listener.sessions, 1, 'the stream of the other is open')
})

test('a call without a session ends with its stream, and the server learns of it', async (t) => {
  const { auth, end } = switchable()
  const { client, servers, ended } = await serve(t, { auth, streamAfter: 100 })
  const method = 'tools/list'
  const response = await client({ headers }).open('POST', bodyOf('1', method), headersOf(method))
  t.equal(response.statusCode, 200)
  t.equal(servers.length, 1)
  end()
  response.resume()
  await once(response, 'end')
  await ended.until(() => true)
})

test('a response that is no stream yet is left to finish', async (t) => {
  const { auth, end } = switchable()
  const { client, servers } = await serve(t, { auth, streamAfter: 0 })
  const made = client({ headers })
  await made.initialize()
  const answer = made.post(json({ id: 7, method: 'tools/call' }))
  const [server] = servers
  const call = await server?.got('tools/call')
  end()
  await sleep(1500)
  await server?.respond(call)
  t.match(await answer, { status: 200 })
  t.match(await made.post(json({ id: 8, method: 'ping' })), { status: 200 }, 'a new grant')
})

test('the connection of a client that does not read is closed', async (t) => {
  const { auth, end } = switchable()
  const { listener, servers } = await serve(t, { auth })
  const { socket, text } = rawConnection(t, listener)
  socket.write(`GET /sse HTTP/1.1\r\nHost: ${new URL(listener.url).host}\r\n`)
  socket.write('Authorization: Bearer alice\r\n\r\n')
  await text.until('session_id=')
  socket.pause()
  const data = 'x'.repeat(1024 * 1024)
  let isFull = false
  for (let count = 0; count < 200 && !isFull; count++) {
    const said = servers[0]?.notify('notifications/message', { data })
    isFull = (await Promise.race([said?.then(() => false), sleep(200, true)])) as boolean
  }
  t.ok(isFull)
  end()
  await until(() => listener.sessions === 0)
  t.pass('the stream is closed')
})

test('the timer runs only while a stream is open', async (t) => {
  const { auth } = switchable()
  const { client } = await serve(t, { auth, keepAlive: 0, idleTimeout: 0 })
  const { setInterval, clearInterval } = globalThis
  const started = t.capture(globalThis, 'setInterval', setInterval)
  const stopped = t.capture(globalThis, 'clearInterval', clearInterval)
  const made = client({ headers })
  await made.initialize()
  t.equal(started().length, 0)
  const stream = await made.openGet()
  const timers = started().map((call) => ('returned' in call ? (call.returned as unknown) : null))
  t.equal(timers.length, 1)
  stream.close()
  await until(() => stopped().some(({ args: [timer] }) => timer === timers[0]))
  await made.openGet()
  t.equal(started().length, 1, 'and it runs again')
})
