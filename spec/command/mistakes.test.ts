// Each mistake and failure is one line on stderr, with its exit code.

import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { startHttpServer } from '../../fixtures/servers/http.js'
import { fixture } from '../helpers.ts'
import { addition, demo, messagesIn, misbehaving, openShell } from './run.ts'
import type { Outcome, RunOptions } from './run.ts'

// Each test starts processes, which takes long on a busy machine.
t.setTimeout(120_000)

const shell = openShell(t)

/** Resolves to the one line. */
async function fails(t: Test, code: number, line: string, options?: RunOptions): Promise<string> {
  const outcome: Outcome = await shell.run(line, options)
  t.equal(outcome.code, code, line)
  t.match(outcome.stderr, /^mcp-proxy: [^\n]+\n$/, line)
  t.notMatch(outcome.stderr, /\n\s+at |node:internal|Error:/)
  return outcome.stderr
}

t.test('a mistake in the arguments exits with 2', async (t) => {
  for (const [line, told] of [
    ['mcp-proxy', /nothing to do: .*--help/],
    ['mcp-proxy --prot 8080 x', /unknown flag --prot: did you mean --port\?/],
    ['mcp-proxy --port', /--port needs/],
    ['mcp-proxy --port http uvx', /--port needs a number from 0 to 65535, not "http"/],
    ['mcp-proxy --port 99999 uvx', /--port needs/],
    ['mcp-proxy http://', /this is not a URL/],
    ["mcp-proxy 'http://a b/'", /this is not a URL/],
    ['mcp-proxy http:///x', /this is not a URL/],
    ['mcp-proxy http://localhost:99999/', /this is not a URL/],
    ['mcp-proxy ws://localhost/', /the URL of a server begins with http:/],
    ['mcp-proxy --cwd /no/such node', /--cwd: there is no directory "\/no\/such"/],
    ['mcp-proxy -H Authorization', /-H needs two words/],
    ['mcp-proxy --transport carrier-pigeon http://localhost:1/', /--transport is one of/],
    ['mcp-proxy --named-server-config nowhere.json', /nowhere.json: no such file/],
    [
      'mcp-proxy --tls-cert nowhere.pem --tls-key nowhere.pem node',
      /--tls-cert: cannot read nowhere.pem/
    ],
    [`mcp-proxy --record nowhere/file ${demo}`, /cannot write the recording to nowhere\/file/],
    ['mcp-proxy --record nowhere/file http://localhost:1/', /cannot write the recording/]
  ] as const) {
    t.match(await fails(t, 2, line), told)
  }
})

t.test('an SSE_URL that is not a URL exits with 2', async (t) => {
  const told = await fails(t, 2, 'mcp-proxy', { env: { SSE_URL: 'user:secret@localhost' } })
  t.match(told, /SSE_URL must be a URL/)
  t.notMatch(told, 'secret')
})

t.test('all faults of a config file are in one line', async (t) => {
  const file = `${shell.directory}/bad.json`
  writeFileSync(
    file,
    JSON.stringify({
      mcpServers: { a: {}, b: { command: 'x', args: 'y' }, c: { command: 'x', cwd: '/no/such' } }
    })
  )
  t.equal(
    await fails(t, 2, 'mcp-proxy --named-server-config bad.json'),
    'mcp-proxy: bad.json: a: needs a command or a url; b: args must be a list of strings; c: cwd: there is no such directory\n'
  )
})

t.test('a port that is taken exits with 1', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(() => void server.close())
  const { port } = server.address() as AddressInfo
  for (const more of ['', '--prewarm 1 ']) {
    t.equal(
      await fails(t, 1, `mcp-proxy --log-level ERROR --port ${port} ${more}${demo}`),
      `mcp-proxy: cannot listen on 127.0.0.1:${port}: the port is taken; choose another with --port\n`
    )
  }
})

t.test('an address of another machine exits with 1', async (t) => {
  t.match(
    await fails(t, 1, `mcp-proxy --host 192.0.2.1 ${demo}`),
    /cannot listen on 192.0.2.1:0: .*/
  )
})

t.test('the error for a command that is not found has the PATH', async (t) => {
  const told = await fails(t, 1, 'mcp-proxy no-such-command argument')
  t.match(told, `cannot start "no-such-command": not found; PATH is ${shell.directory}`)
  t.match(await fails(t, 1, 'mcp-proxy ./nowhere'), /no program at \/.*\/nowhere/)
  await fails(t, 1, "mcp-proxy --named-server a 'no-such-command' --named-server b ./nowhere")
})

t.test('a URL without an MCP server exits with 1', async (t) => {
  const server = await startHttpServer()
  const { url } = server
  for (const flag of ['', '--transport sse ', '--transport streamablehttp ']) {
    t.match(
      await fails(t, 1, `mcp-proxy ${flag}${url}/nothing`, { input: addition }),
      /\/mcp\/nothing answered 404/
    )
  }
  await server.close()
  for (const flag of ['', '--transport sse ', '--transport streamablehttp ']) {
    const line = `mcp-proxy ${flag}${url}`
    t.match(await fails(t, 1, line, { input: addition }), /cannot reach http.*ECONNREFUSED/)
    const { stdout } = await shell.run(line, { input: addition })
    const error = { code: -32000, message: /ECONNREFUSED/ }
    t.match(messagesIn(stdout)[0], { id: 1, error }, line)
  }
})

t.test('a URL that cannot be reached yet is an error of each request, not the end', async (t) => {
  const server = await startHttpServer()
  await server.close()
  const client = shell.client(`mcp-proxy ${server.url}`)
  for (let count = 0; count < 3; count++) {
    t.match(await client.initialize(), { error: { message: /ECONNREFUSED/ } })
  }
  await client.end()
})

t.test('a PEM file without a certificate is an error', async (t) => {
  const cert = fixture('tls/server.pem')
  const key = fixture('tls/server-key.pem')
  const notPem = fixture('servers/demo.js')
  t.match(
    await fails(t, 1, `mcp-proxy --tls-cert ${notPem} --tls-key ${key} ${demo}`),
    /the TLS certificate and key cannot be used/
  )
  for (const [flags, told] of [
    ['--ca nowhere.pem', /--ca nowhere.pem cannot be read/],
    [`--ca ${notPem}`, /holds no certificate/],
    [`--verify-ssl ${notPem}`, /--verify-ssl .* holds no certificate/],
    [`--cert ${cert} --key ${notPem}`, /are not a certificate and its key/]
  ] as const) {
    const line = `mcp-proxy ${flags} https://127.0.0.1:1/`
    t.match(await fails(t, 2, line, { input: addition }), told)
  }
})

t.test('a server that cannot start is an error in each session, not an exit code', async (t) => {
  const server = await shell.serve(`mcp-proxy --port 0 -- ${misbehaving} --crash-on-start 3`)
  const body = addition.split('\n')[0] ?? ''
  const answer = await fetch(`${server.url}mcp`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body
  })
  t.match(await answer.json(), {
    id: 1,
    error: { message: 'the server exited with code 3' }
  })
  const line = `mcp-proxy ${server.url}mcp`
  t.match(await shell.run(line, { input: addition }), { stdout: /exited with code 3/ })
  t.match(await server.kill(), { code: 0 })
})

t.test('--help and --version exit with 0', async (t) => {
  const { version } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  ) as { version: string }
  t.strictSame(await shell.run('mcp-proxy --version'), {
    code: 0,
    signal: null,
    stdout: `mcp-proxy ${version}\n`,
    stderr: ''
  })
  for (const flag of ['--help', '-h']) {
    const { code, stdout, stderr } = await shell.run(`mcp-proxy ${flag}`)
    t.equal(code, 0)
    t.match(stdout, /^usage: mcp-proxy \[options\] URL\n/)
    t.equal(stderr, '')
  }
  t.match(await shell.run('mcp-proxy --help | head -1'), { stdout: /^usage.*\n$/, stderr: '' })
})
