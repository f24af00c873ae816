// Requests to issuers, with the settings of all other connections.

import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { createFetch } from '../../../lib/http-client/connections/fetch.ts'
import { fixture, listenLocally } from '../../helpers.ts'

const ca = fixture('tls/ca.pem')
const identity = {
  cert: readFileSync(fixture('tls/server.pem')),
  key: readFileSync(fixture('tls/server-key.pem'))
}

const answer = (request: IncomingMessage, response: ServerResponse): void => {
  void text(request).then((body) => {
    const { 'accept-encoding': coding, a } = request.headers
    response.writeHead(request.url === '/moved' ? 302 : 200, { location: '/' })
    response.end(`${request.method} ${request.url} ${String(a)} ${coding} ${body}`)
  })
}

const get = { method: 'GET', headers: { a: 'b' } }

async function read(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

t.test('it sends requests over HTTP and HTTPS, and follows no redirect', async (t) => {
  const plain = `http://127.0.0.1:${await listenLocally(t, createServer(answer))}`
  const secure = `https://127.0.0.1:${await listenLocally(t, https.createServer(identity, answer))}`
  const fetch = createFetch({ ca, env: {} })
  for (const origin of [plain, secure]) {
    const found = await fetch(new URL('/a?b=c', origin), get)
    t.equal(found.status, 200)
    t.equal(await read(found.body), 'GET /a?b=c b identity ')
    const posted = await fetch(new URL('/', origin), { ...get, method: 'POST', body: 'x=y' })
    t.equal(await read(posted.body), 'POST / b identity x=y')
    const moved = await fetch(new URL('/moved', origin), get)
    t.equal(moved.status, 302)
    for await (const _chunk of moved.body) break
  }
})

t.test('a file that cannot be used is read again for the next request', async (t) => {
  const server = https.createServer(identity, answer)
  const url = new URL(`https://127.0.0.1:${await listenLocally(t, server)}`)
  const file = `${t.testdir({ ca: '' })}/ca`
  const fetch = createFetch({ ca: file, env: {} })
  await t.rejects(fetch(url, get), { code: 'ERR_CONFIG' })
  writeFileSync(file, readFileSync(ca))
  const { status, body } = await fetch(url, get)
  t.equal(status, 200)
  await read(body)
})

t.test('a signal ends a request', async (t) => {
  const silent = createServer((_request, response) => void response.write('a'))
  const url = new URL(`http://127.0.0.1:${await listenLocally(t, silent)}`)
  const { body } = await createFetch({ env: {} })(url, {
    ...get,
    signal: AbortSignal.timeout(50)
  })
  await t.rejects(read(body), { name: 'TimeoutError' })
})
