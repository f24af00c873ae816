// Client mode in a shell pipe, without an MCP client.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { startHttpServer } from '../../fixtures/servers/http.js'
import type { Json } from '../../fixtures/servers/http.js'
import { addition, demo, messagesIn, misbehaving, openShell } from './run.ts'

// Each test starts processes, which takes long on a busy machine.
t.setTimeout(120_000)

const line = (message: object): string => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`

const [initialize, initialized, call] = addition.split('\n')

const shell = openShell(t)
const { url } = await shell.serve(`mcp-proxy --port 0 ${demo}`)
const proxies = [
  `mcp-proxy ${url}mcp`,
  `mcp-proxy ${url}sse`,
  `mcp-proxy --transport streamablehttp ${url}mcp`,
  `mcp-proxy --transport sse ${url}sse`
]

t.test('client mode prints every response, and then exits', async (t) => {
  for (const proxy of proxies) {
    const { code, stdout, stderr } = await shell.run(
      `printf '%s\\n' "$initialize" "$initialized" "$call" | ${proxy}`,
      { env: { initialize, initialized, call } }
    )
    t.equal(code, 0, proxy)
    t.equal(stderr, '')
    t.match(messagesIn(stdout), [
      { id: 1, result: { serverInfo: { name: 'demo' } } },
      { id: 2, result: { content: [{ text: '3' }] } }
    ])
  }
})

t.test('client mode waits for slow calls after the end of stdin', async (t) => {
  const calls = [300, 200, 100].map((delay, n) =>
    line({
      id: 10 + n,
      method: 'tools/call',
      params: { name: 'count', arguments: { to: 1, delay } }
    })
  )
  for (const proxy of proxies) {
    const { code, stdout, stderr } = await shell.run(proxy, { input: addition + calls.join('') })
    t.equal(code, 0, proxy)
    t.equal(stderr, '')
    t.strictSame(
      messagesIn(stdout)
        .map(({ id }) => id as number)
        .sort(),
      [1, 10, 11, 12, 2]
    )
  }
})

t.test('the last line needs no line break', async (t) => {
  for (const proxy of proxies) {
    const { code, stdout } = await shell.run(proxy, { input: addition.trimEnd() })
    t.equal(code, 0)
    t.equal(messagesIn(stdout).length, 2)
  }
})

t.test('client mode exits with 0 when the reader of stdout has closed it', async (t) => {
  for (const proxy of proxies) {
    const { code, stdout, stderr } = await shell.run(
      `{ { cat; sleep 0.2; } | ${proxy}; echo "$?" >status; } | head -1`,
      { input: addition }
    )
    t.equal(code, 0, proxy)
    t.equal(stderr, '')
    t.match(messagesIn(stdout), [{ id: 1 }])
    t.equal(readFileSync(`${shell.directory}/status`, 'utf8'), '0\n')
  }
})

t.test('client mode exits when stdout is closed, although stdin is open', async (t) => {
  const calls = Array.from({ length: 100 }, (_, n) => line({ id: 10 + n, method: 'tools/list' }))
  for (const proxy of proxies) {
    const { child, ended } = shell.start(proxy)
    child.stdin.write(addition + calls.join(''))
    await new Promise((resolve) => child.stdout.once('data', resolve))
    child.stdout.destroy()
    child.stdin.write(line({ id: 'more', method: 'tools/list' }))
    t.match(await ended, { code: 0, stderr: '' }, proxy)
  }
})

t.test('without input there is no output', async (t) => {
  for (const proxy of proxies) {
    for (const input of ['', '\n', '\r\n \n']) {
      t.strictSame(await shell.run(proxy, { input }), {
        code: 0,
        signal: null,
        stdout: '',
        stderr: ''
      })
    }
  }
})

t.test('invalid lines get errors, and the messages after them get responses', async (t) => {
  const input = Buffer.concat([
    Buffer.from('hello\n{"jsonrpc":"2.0",\n[]\n"a"\nnull\n{"jsonrpc":"1.0","id":7,"method":"a"}\n'),
    Buffer.from([0xff, 0xfe, 0x00, 0x0a]),
    Buffer.from(addition)
  ])
  for (const proxy of proxies) {
    const { code, stdout, stderr } = await shell.run(proxy, { input })
    t.equal(code, 0, proxy)
    const messages = messagesIn(stdout)
    const errors = messages.filter(({ error }) => error)
    t.strictSame(
      errors.map(({ id, error }) => [id, error.code]),
      [
        [null, -32700],
        [null, -32700],
        [null, -32600],
        [null, -32600],
        [null, -32600],
        [7, -32600],
        [null, -32700]
      ]
    )
    t.match(
      messages.filter(({ result }) => result).map(({ id }) => id as number),
      [1, 2]
    )
    const lines = stderr.trimEnd().split('\n')
    t.equal(lines.length, errors.length)
    for (const line of lines) t.match(line, /^\[W .*\] the client sent an invalid message: /)
  }
})

t.test('client mode exits with 0 when every line is invalid', async (t) => {
  const input = Buffer.from(Array.from({ length: 100_000 }, (_, n) => (n * n * 31) % 256))
  for (const proxy of proxies) {
    const { code, stdout } = await shell.run(proxy, { input })
    t.equal(code, 0)
    for (const message of messagesIn(stdout)) t.match(message, { id: null, error: {} })
  }
})

t.test('a line over the limit gets an error, and the next line gets a response', async (t) => {
  const big = line({ id: 9, method: 'tools/call', params: { text: 'x'.repeat(200_000) } })
  const { code, stdout } = await shell.run(`mcp-proxy --max-message 100k ${url}mcp`, {
    input: big + addition
  })
  t.equal(code, 0)
  t.match(messagesIn(stdout), [
    { id: 9, error: { code: -32600, message: /over the limit of 102400 \(see --max-message\)/ } },
    { id: 1 },
    { id: 2 }
  ])
})

t.test('stdout holds only messages, and stderr the log', async (t) => {
  for (const proxy of proxies) {
    const { code, stdout, stderr } = await shell.run(`${proxy} --debug`, { input: addition })
    t.equal(code, 0)
    t.equal(messagesIn(stdout).length, 2)
    for (const line of stderr.trimEnd().split('\n')) t.match(line, /^(\[[DIWE] .*\] .*)?$/)
  }
})

t.test('the environment can set the URL', async (t) => {
  for (const path of ['sse', 'mcp']) {
    const { code, stdout } = await shell.run('mcp-proxy', {
      input: addition,
      env: { SSE_URL: url + path }
    })
    t.equal(code, 0)
    t.equal(messagesIn(stdout).length, 2)
  }
})

t.test('a call gets an error when the server dies, and client mode exits with 0', async (t) => {
  const { url } = await shell.serve(`mcp-proxy --port 0 ${misbehaving}`)
  const input =
    addition.split('\n').slice(0, 2).join('\n') +
    '\n' +
    line({ id: 2, method: 'test/crash', params: { code: 7, stderr: 'out of luck' } })
  for (const path of ['mcp', 'sse']) {
    const { code, stdout } = await shell.run(`mcp-proxy ${url}${path}`, { input })
    t.equal(code, 0)
    t.match(messagesIn(stdout), [{ id: 1 }, { id: 2, error: { message: /exited with code 7$/ } }])
  }
})

t.test('requests get an error with the reason when a remote server stops', async (t) => {
  const server = await startHttpServer()
  server.script.onPost = (message: Json, { byDefault }) => {
    if (message.method === 'test/any') void server.close()
    else byDefault()
  }
  const client = shell.client(`mcp-proxy ${server.url}`)
  await client.initialize()
  t.match(await client.request('test/any'), { error: { code: -32000, message: /cannot reach/ } })
  t.match(await client.request('ping'), { error: { message: /ECONNREFUSED/ } })
  t.match(await client.end(), { code: 0, stderr: '' })
})
