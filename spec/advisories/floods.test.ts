// Advisories about HTTP requests that fill the memory, keep the process busy or end it: too many, too
// large, or wrong.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient } from '../../fixtures/clients/raw.js'
import { demo, openShell } from '../command/run.ts'
import {
  FakeServer,
  initialize,
  json,
  rawConnection,
  respondAsUsual,
  serve,
  until
} from '../http-server/helpers.ts'
import type { Served } from '../http-server/helpers.ts'
import { flood, growth, maxMessage, MiB, part } from './memory.ts'

t.setTimeout(120_000)

// ---- Sessions

const open = ({ servers, ended }: Served): number => servers.length - ended.length

t.test(
  'CVE-2026-67430: a flood of `initialize` opens so many sessions, and they end',
  async (t) => {
    const served = await serve(t)
    const client = httpClient(new URL('mcp', served.listener.url))
    const statuses: number[] = []
    for (let count = 0; count < 1010; count++) {
      statuses.push((await client.post(json(initialize))).status)
    }
    client.close()
    t.equal(statuses.filter((status) => status === 200).length, 1000)
    t.equal(statuses.at(-1), 503)
    t.equal(open(served), 1000)
    const short = await serve(t, { sessionTimeout: 300 })
    for (let count = 0; count < 20; count++) {
      const client = short.client()
      await client.post(json(initialize))
      client.close()
    }
    await until(() => open(short) === 0)
  }
)

t.test('CVE-2026-59951: nothing is left of a session that ended or was refused', async (t) => {
  const served = await serve(t, { maxSessions: 3 }, () => {
    return new FakeServer((message, server) => {
      const isBad = message.params?.clientInfo?.name === 'bad'
      if (!isBad) return respondAsUsual(message, server)
      void server.say({ id: message.id, error: { code: -32602, message: 'refused' } })
    })
  })
  const client = served.client()
  const bad = { ...initialize.params, clientInfo: { name: 'bad', version: '1' } }
  const refused = [
    json({ ...initialize, params: bad }),
    json({ id: 1, method: 'tools/list' }),
    json({ id: 1, method: 'initialize', params: [] }),
    '{"jsonrpc":"2.0","id":1,"method":"initialize"',
    '[]'
  ]
  // Each of these would fill the table.
  for (let round = 0; round < 10; round++) {
    for (const body of refused) await client.post(body)
    await client.initialize()
    t.equal((await client.delete()).status, 204)
    client.sessionId = undefined
    await until(() => open(served) === 0)
  }
})

// ---- Bodies

/** Sends a body without end. Resolves to the response and how much the listener has taken. */
async function sendBody(
  t: Test,
  { listener }: Served,
  header: string,
  bytes: Buffer
): Promise<{ response: string; size: number }> {
  const { socket, text } = rawConnection(t, listener)
  const { host } = new URL(listener.url)
  const head = ['POST /mcp HTTP/1.1', `Host: ${host}`, 'Content-Type: application/json', header]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  while (!socket.destroyed && socket.bytesWritten < flood) {
    const drained = new Promise((resolve) => socket.once('drain', resolve))
    if (!socket.write(bytes)) await Promise.race([drained, text.ended])
  }
  await text.ended
  return { response: text.all, size: socket.bytesWritten - socket.writableLength }
}

const chunk = Buffer.concat([Buffer.from('10000\r\n'), part, Buffer.from('\r\n')])

/** Each advisory, and the header that says how large the body is. */
const bodies: Record<string, [header: string, bytes: Buffer][]> = {
  'CVE-2026-67432': [
    [`Content-Length: ${flood * 100}`, part],
    ['Transfer-Encoding: chunked', chunk]
  ],
  'CVE-2026-39313': [['Transfer-Encoding: chunked', chunk]],
  'GHSA-f897-62hf-6gxq': [[`Content-Length: ${maxMessage + 1}`, part]]
}
for (const [id, ways] of Object.entries(bodies)) {
  t.test(`${id}: the body of a POST has a limit`, async (t) => {
    for (const options of [{ maxMessage }, { maxMessage, stateless: true }]) {
      const served = await serve(t, options)
      for (const [header, bytes] of ways) {
        const grown = await growth(async () => {
          const { response, size } = await sendBody(t, served, header, bytes)
          t.match(response, /^HTTP\/1\.1 413 /, header)
          t.ok(size < flood / 2, `${size} bytes`)
        })
        t.ok(grown < 16, `${grown} MiB`)
      }
      t.equal(served.servers.length, 0)
    }
  })
}

t.test('GHSA-f897-62hf-6gxq: a long batch does not keep other clients waiting', async (t) => {
  const served = await serve(t)
  const client = served.client()
  await client.initialize({ protocolVersion: '2025-03-26' })
  const other = served.client()
  await other.initialize()
  const batch = (size: number): string => {
    const pings = Array.from({ length: size }, (_, id) => json({ id, method: 'ping' }))
    return `[${pings.join()}]`
  }
  const answered = client.post(batch(1000))
  const start = performance.now()
  await other.request('ping')
  t.ok(performance.now() - start < 2000, `${performance.now() - start} ms`)
  t.equal((JSON.parse((await answered).text) as unknown[]).length, 1000)
  const [server] = served.servers as unknown as [FakeServer]
  const before = server.received.length
  for (const size of [1001, 500_000]) t.equal((await client.post(batch(size))).status, 400)
  t.equal(server.received.length, before)
})

t.test('CVE-2026-111768: a message of many small parts takes little memory', async (t) => {
  const shell = openShell(t)
  // Reads lines, without parsing long ones.
  const server = `require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const id = line.length > 9999 ? 1 : JSON.parse(line).id
    const result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'a', version: '1' } }
    if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, result }))
  })`
  const env = { NODE_OPTIONS: '--max-old-space-size=40', SOURCE: server }
  const { url } = await shell.serve('mcp-proxy --port 0 -- node -e "$SOURCE"', { env })
  const client = httpClient(new URL('mcp', url))
  t.teardown(() => client.close())
  await client.initialize()
  const size = 4 * MiB
  for (const [first, rest] of [
    ['0', ',0'],
    ['{}', ',{}'],
    ['{"a":[]}', ',{"a":[]}'],
    ['"a"', ',"b"']
  ] as const) {
    const parts = `[${first}${rest.repeat((size - 200) / rest.length)}]`
    const params = `{"name":"a","arguments":{"a":${parts}}}`
    const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`
    t.equal((await client.post(body)).status, 200, first)
  }
  const keys = Array.from({ length: 300_000 }, (_, key) => `"k${key}":0`).join()
  const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{${keys}}}}`
  t.equal((await client.post(body)).status, 200)
  t.match(await client.request('ping'), { result: {} }, 'the process still runs')
})

// ---- Faults

/** Each advisory, and what a client does that has opened a session. */
const faults: Record<string, (url: URL, id: string) => Promise<unknown>> = {
  'CVE-2025-53366': async (url, id) => {
    const client = httpClient(url)
    for (const params of [
      '1',
      '[]',
      '"a"',
      'null',
      '{"_meta":7}',
      '{"_meta":{"progressToken":{}}}'
    ]) {
      for (const method of ['initialize', 'tools/call', 'ping', 'notifications/initialized', 'a']) {
        for (const head of ['"id":1,', '"id":null,', '"id":{},', '']) {
          const body = `{"jsonrpc":"2.0",${head}"method":"${method}","params":${params}}`
          const sent = client.post(body, { 'mcp-session-id': id })
          await Promise.race([sent, sleep(20)])
          await Promise.race([client.post(body), sleep(20)])
          sent.catch(() => {})
        }
      }
    }
    client.close()
  },
  'CVE-2025-53365': async (url, id) => {
    for (let round = 0; round < 20; round++) {
      const client = httpClient(url)
      const headers = { 'mcp-session-id': id }
      const call = {
        name: 'count',
        arguments: { to: 5, delay: 20 },
        _meta: { progressToken: round }
      }
      const body = json({ id: round, method: 'tools/call', params: call })
      const posts = [client.post(body, headers), client.openGet({ headers })]
      await sleep(round)
      // The client leaves in the middle, and ends the session under its own call.
      if (round % 2 === 1) posts.push(client.delete(headers))
      client.close()
      await Promise.allSettled(posts)
    }
  }
}
for (const [id, attack] of Object.entries(faults)) {
  t.test(`${id}: a client ends its session at worst, and not the process`, async (t) => {
    const shell = openShell(t)
    const serving = await shell.serve(`mcp-proxy --port 0 -- ${demo}`)
    const url = new URL('mcp', serving.url)
    const first = httpClient(url)
    const other = httpClient(url)
    t.teardown(() => [first, other].forEach((client) => client.close()))
    await first.initialize()
    await other.initialize()
    await attack(url, first.sessionId as string)
    t.match(await other.request('ping'), { result: {} })
    t.equal(serving.child.exitCode, null)
    t.notMatch(serving.log.join('\n'), /fault of the proxy|internal|TypeError/)
  })
}
