// The tokens of clients, with the built command: what it logs at start, when it refuses to start, and
// that no token gets out of it.

import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { httpClient } from '../../fixtures/clients/raw.js'
import type { Json } from '../../fixtures/clients/raw.js'
import { bodyOf, headersOf } from '../modern.ts'
import { misbehaving, openShell } from './run.ts'

// Each test starts processes, which takes long on a busy machine.
t.setTimeout(120_000)

const shell = openShell(t, { environment: 'node -e "console.error(process.env)"' })
const tokens = `${shell.directory}/tokens`
writeFileSync(tokens, 'alice:s3cret-alice\n')

const warning = /^\[W .*\] (.* without a token: add --auth-token-file FILE)$/

t.test('without tokens, a listener that others can reach gets one warning at start', async (t) => {
  for (const [flags, who] of [
    ['--host 0.0.0.0', 'everyone who reaches 0.0.0.0 can use'],
    ["--allow-origin '*' --", 'every web page can use'],
    ["--host :: --allow-origin '*' --", 'everyone who reaches :: and every web page can use'],
    ['--host 127.0.0.1', undefined],
    [`--host 0.0.0.0 --auth-token-file ${tokens}`, undefined],
    ['--require-auth', undefined]
  ] as const) {
    const { log, kill } = await shell.serve(`mcp-proxy ${flags} ${misbehaving}`)
    const warnings = log.flatMap((line) => warning.exec(line)?.[1] ?? [])
    const rest = ' the servers without a token: add --auth-token-file FILE'
    t.strictSame(warnings, who === undefined ? [] : [who + rest], flags)
    await kill()
  }
})

t.test('with --require-auth there is an error in place of the warning', async (t) => {
  for (const line of [
    `mcp-proxy --require-auth --host 0.0.0.0 ${misbehaving}`,
    `mcp-proxy --require-auth --allow-origin '*' -- ${misbehaving}`,
    `mcp-proxy --require-auth --check --host 0.0.0.0 node`
  ]) {
    const { code, stderr } = await shell.run(line)
    t.equal(code, 2, line)
    t.match(stderr, /^mcp-proxy: --require-auth: .* without a token: add --auth-token-file FILE\n$/)
  }
  const env = { MCP_PROXY_AUTH_TOKEN: 's3cret' }
  const line = `mcp-proxy --require-auth --host 0.0.0.0 ${misbehaving}`
  await (await shell.serve(line, { env })).kill()
})

t.test('a wrong token file is an error that shows no token', async (t) => {
  writeFileSync(`${shell.directory}/wrong`, 'alice:s3cret\ns3cret\n')
  writeFileSync(`${shell.directory}/empty`, '# none\n')
  for (const [file, reason] of [
    ['wrong', 'wrong: line 2: write name:token or name:sha256:HEX'],
    ['empty', 'empty has no token'],
    ['missing', 'cannot read missing: ENOENT']
  ] as const) {
    for (const check of ['', '--check ']) {
      const { code, stderr } = await shell.run(`mcp-proxy ${check}--auth-token-file ${file} node`)
      t.equal(code, 2, file)
      t.match(stderr, new RegExp(`^mcp-proxy: (--auth-token-file: )?${reason}[^\\n]*\\n$`))
      t.notMatch(stderr, /s3cret/)
    }
  }
  const env = { MCP_PROXY_AUTH_TOKEN: 's3cret word' }
  const { code, stderr } = await shell.run('mcp-proxy node', { env })
  t.equal(code, 2)
  t.equal(
    stderr,
    'mcp-proxy: MCP_PROXY_AUTH_TOKEN: the value has a character that is not allowed\n'
  )
})

t.test('tokens are not logged, and servers do not get them', async (t) => {
  const env = { MCP_PROXY_AUTH_TOKEN: 's3cret-default', OTHER: 'passed on' }
  const flags = `--debug --pass-environment --auth-token-file ${tokens}`
  const proxy = await shell.serve(`mcp-proxy ${flags} environment`, { env })
  for (const token of ['s3cret-alice', 's3cret-default', 's3cret-wrong']) {
    const client = httpClient(`${proxy.url}mcp`, { headers: { authorization: `Bearer ${token}` } })
    const failure = await client.initialize().catch((error: unknown) => error)
    t.notMatch(JSON.stringify(failure), /s3cret/)
    client.close()
  }
  const { stderr } = await proxy.kill()
  t.match(stderr, /OTHER: 'passed on'/, 'the server wrote its environment')
  t.match(stderr, /POST \/mcp: the token is not valid/)
  t.notMatch(stderr, /s3cret/)
})

t.test('a token of the file can be replaced while the proxy runs', async (t) => {
  const proxy = await shell.serve(`mcp-proxy --auth-token-file ${tokens} ${misbehaving}`)
  t.teardown(() => writeFileSync(tokens, 'alice:s3cret-alice\n'))
  const statusWith = async (token: string): Promise<number> => {
    const headers = { authorization: `Bearer ${token}` }
    return (await fetch(`${proxy.url}status`, { headers })).status
  }
  const headers = { authorization: 'Bearer s3cret-alice' }
  const client = httpClient(`${proxy.url}mcp`, { headers })
  t.teardown(() => client.close())
  await client.initialize()
  t.strictSame([await statusWith('s3cret-alice'), await statusWith('s3cret-new')], [200, 401])
  writeFileSync(tokens, 'alice:s3cret-new\n')
  await sleep(300)
  t.strictSame([await statusWith('s3cret-alice'), await statusWith('s3cret-new')], [401, 200])
  client.headers.authorization = 'Bearer s3cret-new'
  t.match(await client.request('ping'), { result: {} }, 'the session goes on with the new token')
})

t.test('the example at start has a place for the token', async (t) => {
  const proxy = await shell.serve(`mcp-proxy --auth-token-file ${tokens} ${misbehaving}`)
  const config = await proxy.log.until((line) => line.includes('client config:'))
  t.match(config, /"headers":\{"Authorization":"Bearer TOKEN"\}/)
  const example = await proxy.log.until((line) => line.includes('try it:'))
  t.match(example, /curl \S+ -H 'Authorization: Bearer TOKEN' -H 'Content-Type/)
})

t.test('a call that waits for its client cannot be continued by another user', async (t) => {
  writeFileSync(tokens, 'alice:s3cret-alice\nbob:s3cret-bob\n')
  const everything = 'node_modules/@modelcontextprotocol/server-everything/dist/index.js'
  const path = fileURLToPath(new URL(`../../${everything}`, import.meta.url))
  const { url, kill } = await shell.serve(`mcp-proxy --auth-token-file ${tokens} node ${path}`)
  const _meta = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } } }
  const ask = { name: 'trigger-elicitation-request', arguments: {}, _meta }
  const post = async (user: string, params: object): Promise<Json> => {
    const client = httpClient(`${url}mcp`, { headers: { authorization: `Bearer s3cret-${user}` } })
    const body = bodyOf('1', 'tools/call', { ...ask, ...params })
    const { text } = await client.post(body, headersOf('tools/call', ask))
    client.close()
    return JSON.parse(text.replace(/^[^{]*/, ''))
  }
  const { result } = await post('alice', {})
  const { requestState, inputRequests } = result
  const [key = ''] = Object.keys(inputRequests as object)
  const retry = { requestState, inputResponses: { [key]: { action: 'decline' } } }
  t.match(await post('bob', retry), { error: { code: -32602, message: /requestState/ } })
  t.match(await post('alice', retry), { result: { resultType: 'complete' } })
  await kill()
})
