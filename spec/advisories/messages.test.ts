// Advisories about messages that two parsers read in different ways: the proxy allows one call, and the
// server sees another.

import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import type { HttpClient, SseClient } from '../../fixtures/clients/raw.js'
import { node, startClientMode, startProxy } from '../interop/helpers.ts'
import { initialize, json } from '../http-server/helpers.ts'
import { bodyOf, headersOf } from '../modern.ts'

t.setTimeout(120_000)

/** A server that writes each line that it gets to a file, and responds to each request. */
const program = `
const { appendFileSync } = require('node:fs')
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  appendFileSync('lines', line + '\\n')
  const { id, method } = JSON.parse(line)
  const result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'a', version: '1' } }
  const error = { code: -32601, message: 'no such method' }
  const response = { jsonrpc: '2.0', id, ...(method === 'server/discover' ? { error } : { result }) }
  if (id !== undefined) console.log(JSON.stringify(response))
})`

const call = '"jsonrpc":"2.0","id":5,"method":"tools/call"'

/** Each advisory, and messages that some parser reads as a call of the tool `secret`. */
const attacks: Record<string, string[]> = {
  'GHSA-4gph-2hhr-5mwg': [
    `{${call},"params":{"name":"greet","Name":"secret","arguments":{},"Arguments":{"a":1}}}`,
    `{${call},"params":{"Name":"secret","name":"greet"}}`,
    `{${call},"params":{"name":"greet","NAME":"secret"}}`,
    `{${call},"params":{"NAME":"secret"}}`,
    `{${call},"params":{"name":"greet","name":"secret"}}`,
    `{${call},"params":{"name":"secret","name":"greet"}}`,
    `{${call},"params":{"name":"greet","n\\u0061me":"secret"}}`
  ],
  'CVE-2026-27896': [
    `{${call},"params":{"name":"greet"},"Params":{"name":"secret"}}`,
    `{${call},"paramſ":{"name":"secret"},"params":{"name":"greet"}}`,
    `{${call},"param\\u017f":{"name":"secret"},"params":{"name":"greet"}}`,
    '{"jsonrpc":"2.0","id":5,"method":"ping","METHOD":"tools/call","params":{"name":"secret"}}',
    '{"jsonrpc":"2.0","id":5,"Method":"tools/call","method":"ping","params":{"name":"secret"}}',
    '{"jsonrpc":"2.0","id":5,"Method":"tools/call","params":{"name":"secret"}}'
  ],
  'GHSA-q382-vc8q-7jhj': [
    `{${call},"params":{"name":"greet","name\\u0000":"secret"}}`,
    `{${call},"params":{"name\\u0000\\u0000x":"secret","name":"greet"}}`,
    `{${call},"params":{"name":"greet"},"params\\u0000":{"name":"secret"}}`,
    '{"jsonrpc":"2.0","id":5,"method":"ping","method\\u0000":"tools/call","params":{"name":"secret"}}',
    `{${call},"params":{"name":"secret\\u0000"}}`
  ]
}

/** Messages that name no hidden tool in any reading. */
const good = [
  `{${call},"params":{"name":"greet","arguments":{"Name":"a","name":1,"name":2}} }`,
  `{"id":5e0,"Other":{"name":"a"},"jsonrpc":"2.0","method":"x","params" : {"Name":"b","name":7.0}}`
]

const withoutId = (text: string): string => text.replace(/"id":[^,]*/, '')

for (const [id, texts] of Object.entries(attacks)) {
  t.test(`${id}: a server sees only the call that the filter has allowed`, async (t) => {
    for (const how of [[], ['--shared'], ['--stateless']]) {
      for (const filter of [
        ['--deny-tool', 'secret*'],
        ['--allow-tool', 'greet']
      ]) {
        const cwd = t.testdir({})
        const lines = (): string[] => readFileSync(`${cwd}/lines`, 'utf8').split('\n')
        writeFileSync(`${cwd}/lines`, '')
        const flags = [...filter, ...how, '--cwd', cwd]
        const proxy = await startProxy(t, ...flags, '--', node, '-e', program)
        const client = httpClient(proxy.mcp())
        const clients: (HttpClient | SseClient)[] = [client, await sseClient(proxy.sse())]
        for (const one of clients) await one.initialize()
        for (const one of clients) {
          for (const text of texts) await one.post(text)
          for (const text of good) await one.post(text)
        }
        await client.request('ping')
        t.strictSame(
          lines().filter((line) => line.includes('"secret')),
          [],
          flags.join(' ')
        )
        // What crosses has the bytes of the client. A shared server gets other ids.
        for (const text of good) t.ok(lines().map(withoutId).includes(withoutId(text)), text)
        for (const one of clients) one.close()
        await proxy.close()
      }
    }
  })
}

t.test('GHSA-4gph-2hhr-5mwg: nor does client mode, or a client of 2026-07-28', async (t) => {
  const cwd = t.testdir({ lines: '' })
  const lines = (): string => readFileSync(`${cwd}/lines`, 'utf8')
  const open = await startProxy(t, '--cwd', cwd, '--', node, '-e', program)
  const client = startClientMode('--deny-tool', 'secret', open.mcp())
  t.teardown(() => client.end())
  await client.initialize()
  const texts = Object.values(attacks).flat()
  for (const text of texts) await client.sendRaw(`${text}\n`)
  await client.request('ping')
  t.notMatch(lines(), '"secret"')

  const filtered = await startProxy(
    t,
    '--cwd',
    cwd,
    '--deny-tool',
    'secret',
    '--',
    node,
    '-e',
    program
  )
  const modern = httpClient(filtered.mcp())
  t.teardown(() => modern.close())
  const params = { name: 'greet' }
  const text = bodyOf('1', 'tools/call', params)
  for (const more of ['"Name":"secret"', '"name":"secret"', '"name\\u0000":"secret"']) {
    const body = text.replace('"params":{', `"params":{${more},`)
    t.not(body, text)
    const response = await modern.post(body, headersOf('tools/call', params))
    t.equal(response.status, 400, more)
    t.match(JSON.parse(response.text), { error: { code: -32600 } }, more)
  }
  t.notMatch(lines(), '"secret"')
  t.equal((await modern.post(text, headersOf('tools/call', params))).status, 200)
  t.match(lines(), '"greet"')
  t.equal((await modern.post(json(initialize))).status, 200)
})
