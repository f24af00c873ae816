// A client waits for the command to start, so a run loads nothing that it does not need.

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { relative, sep } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { startHttpServer } from '../fixtures/servers/http.js'

const root = fileURLToPath(new URL('..', import.meta.url))

interface Loaded {
  /** The modules of Node's own, by their names. */
  builtin: Set<string>
  /** The CommonJS files, relative to this package. */
  files: string[]
}

/** Runs node to its end, and resolves to what it printed and loaded. */
async function run(args: string[], input = ''): Promise<{ output: string; loaded: Loaded }> {
  const child = spawn(process.execPath, ['--require', './fixtures/loaded.cjs', ...args], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'inherit', 'pipe']
  })
  child.stdin?.end(input)
  const [output, told] = await Promise.all([
    text(child.stdout as Readable),
    text(child.stdio[3] as Readable)
  ])
  const { builtin, files } = JSON.parse(told) as { builtin: string[]; files: string[] }
  return {
    output,
    loaded: {
      builtin: new Set(builtin),
      files: files.map((file) => relative(root, file).split(sep).join('/')).sort()
    }
  }
}

const initialize = `${JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '0' }
  }
})}\n`

const command = ['bin/mcp-proxy.js', 'dist/cli.cjs']
/** What takes long, and no run over plain HTTP needs. */
const heavy = ['child_process', 'crypto', 'fs/promises', 'http2', 'https', 'tls', 'zlib']

function loadsNone(t: Test, { builtin }: Loaded, names: string[]): void {
  t.strictSame(
    names.filter((name) => builtin.has(name)),
    []
  )
}

t.test('--version loads one file, and nothing to do with HTTP', async (t) => {
  const { output, loaded } = await run(['bin/mcp-proxy.js', '--version'])
  t.match(output, /^mcp-proxy \d/)
  t.strictSame(loaded.files, command)
  loadsNone(t, loaded, ['http', ...heavy])
})

t.test('--help loads no more', async (t) => {
  const { output, loaded } = await run(['bin/mcp-proxy.js', '--help'])
  t.match(output, /^usage: /)
  t.strictSame(loaded.files, command)
  loadsNone(t, loaded, ['http', ...heavy])
})

t.test('client mode loads what HTTP needs, and no processes, TLS or HTTP/2', async (t) => {
  const server = await startHttpServer()
  t.teardown(() => server.close())
  for (const url of [server.url, server.sseUrl]) {
    const { output, loaded } = await run(['bin/mcp-proxy.js', url], initialize)
    t.match(output, /"serverInfo"/)
    t.strictSame(loaded.files, command)
    t.ok(loaded.builtin.has('http'), 'what is loaded is told')
    loadsNone(t, loaded, heavy)
  }
})

t.test('the library loads undici when there is a server to reach, and not before', async (t) => {
  const server = await startHttpServer()
  t.teardown(() => server.close())
  const use = (code: string): Promise<{ output: string; loaded: Loaded }> =>
    run(['--input-type=module', '--eval', `import * as mcp from 'mcp-duplex'\n${code}`])
  const idle = await use('')
  t.strictSame(idle.loaded.files, [])

  const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })
  const { loaded } = await use(`
    const server = mcp.connectHttp({ url: '${server.url.replace('/mcp', '/none')}' })
    server.on('error', () => {})
    server.write(mcp.parseFrame(Buffer.from('${ping}')))`)
  t.match(loaded.files, /undici\/lib\/dispatcher\/agent\.js/)
  t.notMatch(loaded.files, /undici\/(index|lib\/web)/)
})

t.test('the command carries its dependencies with it, and their licences', async (t) => {
  const notices = readFileSync(`${root}dist/cli.cjs.LICENSES.txt`, 'utf8')
  const names = [...notices.matchAll(/^([a-z-]+) \d+\.\d+\.\d+$/gm)].map(([, name]) => name)
  t.strictSame(names, ['eventsource-parser', 'minimist', 'shlex', 'undici'])
  t.equal(notices.match(/Permission is hereby granted/g)?.length, names.length)
})
