// A client waits while the command starts, so a run loads only the modules that it needs. Each test
// runs Node with `fixtures/loaded.cjs`, which reports the loaded modules.

import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { startHttpServer } from '../fixtures/servers/http.js'
import { initializeParams } from './helpers.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

interface Loaded {
  /** The names of Node's modules. */
  builtin: Set<string>
  /** The paths of CommonJS files and scripts, relative to this package. */
  files: string[]
}

/** Runs Node to its end. Resolves to its stdout and the loaded modules. */
async function run(args: string[], input = ''): Promise<{ output: string; loaded: Loaded }> {
  const child = spawn(process.execPath, ['--require', './fixtures/loaded.cjs', ...args], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'inherit', 'pipe']
  })
  child.stdin?.end(input)
  const [output, report] = await Promise.all([
    text(child.stdout as Readable),
    text(child.stdio[3] as Readable)
  ])
  const { builtin, files } = JSON.parse(report) as { builtin: string[]; files: string[] }
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
  params: initializeParams
})}\n`

const command = ['bin/mcp-proxy.js', 'dist/cli.cjs']
/** Modules that load slowly, and that client mode over plain HTTP does not need: undici has its own HTTP. */
const slowModules = ['child_process', 'crypto', 'fs/promises', 'http2', 'https', 'tls', 'zlib']

function loadsNone(t: Test, { builtin }: Loaded, names: string[]): void {
  t.strictSame(
    names.filter((name) => builtin.has(name)),
    []
  )
}

t.test('--version loads no bundle', async (t) => {
  const { output, loaded } = await run(['bin/mcp-proxy.js', '--version'])
  t.match(output, /^mcp-proxy \d/)
  t.strictSame(loaded.files, ['bin/mcp-proxy.js', 'package.json'])
  loadsNone(t, loaded, ['http', 'net', 'stream', ...slowModules])
})

t.test('--version with another flag prints the same', async (t) => {
  const [{ output }, { output: other, loaded }] = await Promise.all([
    run(['bin/mcp-proxy.js', '--version']),
    run(['bin/mcp-proxy.js', '--version', '--debug'])
  ])
  t.equal(other, output)
  t.strictSame(loaded.files, command)
  loadsNone(t, loaded, ['http', ...slowModules])
})

t.test('--help loads one file, and no module for HTTP', async (t) => {
  const { output, loaded } = await run(['bin/mcp-proxy.js', '--help'])
  t.match(output, /^usage: /)
  t.strictSame(loaded.files, command)
  loadsNone(t, loaded, ['http', ...slowModules])
})

t.test('client mode loads sockets, but no child processes, TLS or HTTP of Node', async (t) => {
  const server = await startHttpServer()
  t.teardown(() => server.close())
  for (const url of [server.url, server.sseUrl]) {
    const { output, loaded } = await run(['bin/mcp-proxy.js', url], initialize)
    t.match(output, /"serverInfo"/)
    t.strictSame(loaded.files, command)
    t.ok(loaded.builtin.has('net'), 'the report lists net')
    loadsNone(t, loaded, ['assert', 'http', ...slowModules])
  }
})

t.test('the library loads undici when it connects to a server, not at import', async (t) => {
  const server = await startHttpServer()
  t.teardown(() => server.close())
  const runWithLibrary = (code: string): Promise<{ output: string; loaded: Loaded }> =>
    run(['--input-type=module', '--eval', `import * as mcp from 'mcp-duplex'\n${code}`])
  const idle = await runWithLibrary('')
  t.strictSame(idle.loaded.files, [])

  const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })
  const { loaded } = await runWithLibrary(`
    const server = mcp.connectHttp({ url: '${server.url.replace('/mcp', '/none')}' })
    server.on('error', () => {})
    server.write(mcp.parseFrame(Buffer.from('${ping}')))`)
  t.match(loaded.files, /undici\/lib\/dispatcher\/agent\.js/)
  t.notMatch(loaded.files, /undici\/(index|lib\/web)/)
})

t.test('the bundles come with the licences of the packages in them', async (t) => {
  const notices = readFileSync(`${root}dist/LICENSES.txt`, 'utf8')
  const names = [...notices.matchAll(/^([a-z\d-]+) \d+\.\d+\.\d+$/gm)].map(([, name]) => name)
  const ofCommand = ['eventsource-parser', 'jose', 'minimist', 'oauth4webapi', 'shlex', 'undici']
  const withMit = [...ofCommand, 'preact', 'uplot']
  const withApache = ['htm', 'prom-client']
  t.strictSame(names, [...withMit, ...withApache].sort())
  t.equal(notices.match(/Permission is hereby granted/g)?.length, withMit.length)
  t.equal(notices.match(/Apache License\s+Version 2\.0/g)?.length, withApache.length)
})

t.test('the bundled packages have all that the library uses of them', async (t) => {
  const lib = fileURLToPath(new URL('../lib', import.meta.url))
  const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts')
  )
  for (const [name, alias] of [
    ['jose', 'jose'],
    ['oauth4webapi', 'oauth']
  ] as const) {
    const dist = (await import(new URL(`../dist/${name}.cjs`, import.meta.url).href)) as object
    const used = new Set<string>()
    for (const file of files) {
      const code = readFileSync(join(lib, file), 'utf8')
      if (!code.includes(`import('${name}')`) && !code.includes(`from '${name}'`)) continue
      for (const [, member = ''] of code.matchAll(new RegExp(`\\b${alias}\\s*\\.(\\w+)`, 'g')))
        used.add(member)
      const taken = new RegExp(`\\{([^{}]*)\\} = await import\\('${name}'\\)`, 'g')
      for (const [, members = ''] of code.matchAll(taken)) {
        for (const member of members.split(',')) used.add(member.trim())
      }
    }
    t.ok(used.size > 4, `${name}: ${[...used].join(', ')}`)
    for (const member of used) t.ok(member in dist, `${name}: ${member}`)
  }
})
