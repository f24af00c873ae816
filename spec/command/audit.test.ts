// The flags --audit, --audit-required and --trust-proxy of the command, in each way to use a server.

import { existsSync, readFileSync, renameSync, statSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import type { HttpClient, HttpResponse, Json } from '../../fixtures/clients/raw.js'
import { fixture, initializeParams, until } from '../helpers.ts'
import { bodyOf, headersOf } from '../modern.ts'
import type { Params } from '../modern.ts'
import { add, demo, messagesIn, openShell } from './run.ts'

t.setTimeout(120_000)

const modern = `node ${fixture('servers/modern.js')}`
const shell = openShell(t)
const file = `${shell.directory}/audit.ndjson`
const lines = (name = file): Json[] => messagesIn(readFileSync(name, 'utf8'))

function client(t: Test, url: string, headers = {}): HttpClient {
  const made = httpClient(`${url}mcp`, { headers })
  t.teardown(() => made.close())
  return made
}

/** Calls a tool in the revision 2026-07-28. */
const callModern = (http: HttpClient, params: Params = add): Promise<HttpResponse> =>
  http.post(bodyOf('1', 'tools/call', params), headersOf('tools/call', params))

const call = { event: 'call', address: '127.0.0.1', server: 'default' }
const added = { ...call, method: 'tools/call', outcome: 'ok' }

const count = { name: 'count', arguments: { count: 1 } }

const ways: [flags: string, command: string, params: Params][] = [
  ['', demo, add],
  ['--shared', demo, add],
  ['', modern, count]
]
for (const [flags, command, params] of ways) {
  t.test(`sessions and POSTs without one: ${flags} ${command}`, async (t) => {
    const proxy = await shell.serve(`mcp-proxy ${flags} --audit a.ndjson ${command}`)
    const name = `${shell.directory}/a.ndjson`
    t.teardown(() => renameSync(name, `${name}.old`))
    const http = client(t, proxy.url)
    await http.initialize(initializeParams)
    await http.request('tools/call', params)
    await http.delete()
    const sse = await sseClient(`${proxy.url}sse`)
    await sse.initialize(initializeParams)
    await sse.request('tools/call', params)
    sse.close()
    t.equal((await callModern(client(t, proxy.url), params)).status, 200)
    await until(() => lines(name).length >= 9)
    await proxy.kill()
    const found = lines(name)
    t.match(
      found.filter(({ session }) => session === http.sessionId?.slice(0, 8)),
      [{ event: 'open' }, { method: 'initialize', outcome: 'ok' }, added, { event: 'end' }]
    )
    t.equal(found.filter(({ event }) => event === 'end').length, 2)
    const calls = found.filter(({ method }) => method === 'tools/call')
    const one = { ...added, name: params.name }
    t.match(calls, [one, one, one])
    t.equal(found.length, 9, 'and no other line: what the proxy asks servers itself is no call')
  })
}

t.test('--stateless', async (t) => {
  const proxy = await shell.serve(`mcp-proxy --stateless --audit - ${demo}`)
  const http = client(t, proxy.url)
  await http.post(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: add }))
  await callModern(client(t, proxy.url))
  const { stdout } = await proxy.kill()
  t.match(messagesIn(stdout), [added, added], '`-` is stdout')
})

t.test('SIGHUP opens the file again, and a refusal has the address of the client', async (t) => {
  const flags =
    '--audit audit.ndjson --trust-proxy 127.0.0.1 --max-caller-rate 1 --max-caller-burst 1'
  const proxy = await shell.serve(`mcp-proxy ${flags} ${demo}`)
  t.equal(statSync(file).mode & 0o777, 0o600)
  const http = client(t, proxy.url, { 'x-forwarded-for': '1.2.3.4, 192.0.2.1' })
  const [first, second] = await Promise.all([http.post('{}'), http.post('{}')])
  t.equal(first.status, 400)
  t.match(second, { status: 429, headers: { 'retry-after': '1' } })
  await until(() => lines().length === 2)
  renameSync(file, `${file}.1`)
  process.kill(proxy.pid, 'SIGHUP')
  // Lines may still go to the old file for a moment.
  await until(async () => {
    await http.post('{}')
    return existsSync(file) && lines().length > 0
  })
  const refused = { event: 'refusal', address: '192.0.2.1', request: 'POST /mcp' }
  const limited = { ...refused, error: 'ERR_CALLER_LIMIT' }
  t.match(lines()[0], limited)
  t.match(lines(`${file}.1`).slice(0, 2), [{ ...refused, error: 'ERR_FRAME_ENVELOPE' }, limited])
})

const noFull = process.platform !== 'linux' && 'no /dev/full'

t.test(
  'a full disk: the service goes on, or with --audit-required not',
  { skip: noFull },
  async (t) => {
    for (const [flags, status] of [
      ['', 200],
      [' --audit-required', 503]
    ] as const) {
      const proxy = await shell.serve(`mcp-proxy --audit /dev/full${flags} ${demo}`)
      const http = client(t, proxy.url)
      t.equal((await callModern(http)).status, 200, 'the disk is not known to be full')
      const message = /cannot write the audit log to \/dev\/full: ENOSPC.*; the audit log stops$/
      t.ok(await proxy.log.until((line) => message.test(line)))
      t.equal((await callModern(http)).status, status)
      t.equal((await fetch(`${proxy.url}healthz`)).status, 200)
      await proxy.kill()
    }
  }
)

t.test('a wrong use of the flags is an error at start', async (t) => {
  const mistakes: [line: string, message: RegExp][] = [
    [`mcp-proxy --audit-required ${demo}`, /^mcp-proxy: --audit-required needs --audit too\n$/],
    [
      `mcp-proxy --audit nowhere/x ${demo}`,
      /^mcp-proxy: cannot write the audit log to nowhere\/x: /
    ],
    [`mcp-proxy --trust-proxy all ${demo}`, /^mcp-proxy: --trust-proxy needs an address or a range/]
  ]
  for (const [line, message] of mistakes) {
    const { code, stderr } = await shell.run(line)
    t.equal(code, 2, line)
    t.match(stderr, message)
  }
})
