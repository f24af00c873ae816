// README.md agrees with the program, and its examples work.

import { spawnSync } from 'node:child_process'
import { split } from 'shlex'
import t from 'tap'
import type { Test } from 'tap'
import { parseArguments } from '../lib/cli/arguments/parse-arguments.ts'
import { loadConfigFile } from '../lib/config/config-file.ts'
import { errorCodes } from '../lib/protocol/error-codes.ts'
import { openShell } from './command/run.ts'
import { blocksIn, blocksOf, read, root, rowsOf, sectionsOf } from './markdown.ts'

const readme = read('README.md')
const section = (heading: string): string => sectionsOf(readme, 2).get(heading) as string

t.test(
  'the table of error codes has each code with its HTTP status and JSON-RPC code',
  async (t) => {
    const source = read('lib/errors.ts')
    const codes = [
      ...source.matchAll(/^ {2}(ERR_\w+): \{\s*status: (\d+),\s*rpc: errorCodes\.(\w+)/gm)
    ]
    t.ok(codes.length > 0)
    t.strictSame(
      rowsOf(readme, 'code').map(([code, status, rpc]) => [code?.replaceAll('`', ''), status, rpc]),
      codes.map(([, code, status, rpc]) => [
        code,
        status,
        String(errorCodes[rpc as keyof typeof errorCodes])
      ])
    )
  }
)

t.test('the table of limits without a flag has the values of the constants', async (t) => {
  const units: Record<string, number> = { KiB: 1024, MiB: 1024 * 1024 }
  const text = sectionsOf(section('For operators'), 3).get('Limits without a flag') as string
  const rows = rowsOf(text, 'limit')
  t.ok(rows.length > 20)
  for (const [limit = '', value = '', place = ''] of rows) {
    const [, name, file = ''] = /^`(\w+)` in `(.+)`$/.exec(place) ?? []
    const source = read(`lib/${file}`)
    const [, written = ''] =
      new RegExp(`^(?:export )?const ${name} = ([\\d_ *]+)$`, 'm').exec(source) ?? []
    const product = written
      .split('*')
      .reduce((all, part) => all * Number(part.replaceAll('_', '')), 1)
    const [, number, unit = ''] = /^(\d+) ?(\w*)$/.exec(value) ?? []
    t.equal(Number(number) * (units[unit] ?? 1), product, limit)
  }
})

// ---- Blocks of code. Mermaid is drawn by GitHub; the others need programs that are not here. The
// blocks about replicas are run by spec/replicas.

const notRun = ['mermaid', 'nginx', 'caddyfile', 'haproxy']
const tested = ['sh', 'json', 'toml', 'yaml', 'ini', '']

t.test('each block of code is of a language that a test looks at, or is not run', async (t) => {
  for (const { language, code } of blocksIn(readme)) {
    t.ok([...notRun, ...tested].includes(language), `${language}: ${code.slice(0, 40)}`)
  }
  for (const language of notRun) t.ok(blocksOf(readme, language).length > 0, language)
})

t.test('a shell can read the blocks in sh', async (t) => {
  for (const code of blocksOf(readme, 'sh')) {
    const { status, stderr } = spawnSync('sh', ['-n'], { input: code, encoding: 'utf8' })
    t.equal(status, 0, stderr)
  }
})

t.test('the blocks in JSON are JSON', async (t) => {
  for (const code of blocksOf(readme, 'json')) t.doesNotThrow(() => JSON.parse(code), code)
})

t.test('each client has an entry over stdio and one over HTTP', async (t) => {
  const url = 'http://127.0.0.1:8080/mcp'
  const clients = sectionsOf(section('Clients'), 3)
  t.equal(clients.size, 6)
  for (const [client, text] of clients) {
    const entries = blocksOf(text, 'json').map((code) => {
      const { mcpServers, servers } = JSON.parse(code)
      return (mcpServers ?? servers).demo as Record<string, unknown>
    })
    for (const code of blocksOf(text, 'toml')) entries.push(tomlEntry(t, code))
    const overStdio = entries.filter(({ url }) => url === undefined)
    t.match(overStdio, [{ command: 'mcp-proxy', args: [url] }], `${client} over stdio`)
    // Claude Desktop takes URLs in its settings only.
    const urls = client === 'Claude Desktop' ? [] : [url]
    t.strictSame(
      entries.flatMap(({ url }) => url ?? []),
      urls,
      `${client} over HTTP`
    )
  }
})

/** An entry of Codex: a table, then a line for each key, whose values are JSON as well as TOML. */
function tomlEntry(t: Test, code: string): Record<string, unknown> {
  const [head, ...lines] = code.trimEnd().split('\n')
  t.equal(head, '[mcp_servers.demo]')
  return Object.fromEntries(
    lines.map((line) => {
      const [, key = '', value = ''] = /^(\w+) = (.+)$/.exec(line) ?? []
      return [key, JSON.parse(value)]
    })
  )
}

t.test('the entries of clients also load as a config file of the proxy', async (t) => {
  for (const code of blocksOf(section('Clients'), 'json')) {
    const directory = t.testdir({ 'servers.json': code })
    const { named } = await loadConfigFile(`${directory}/servers.json`, () => ({}), {})
    t.strictSame([...named.keys()], ['demo'])
  }
})

t.test('the config file loads', async (t) => {
  const [example = ''] = blocksOf(section('Config file'), 'json')
  const directory = t.testdir({ 'servers.json': example })
  const file = `${directory}/servers.json`
  const { named } = await loadConfigFile(file, (own) => Object.fromEntries(own), {})
  t.strictSame([...named.keys()], ['fetch', 'remote'])
})

t.test('the line of a recording is what --record writes', async (t) => {
  const [line = ''] = blocksOf(section('Recordings'), '')
  const recorded = JSON.parse(line)
  t.strictSame(Object.keys(recorded), ['time', 'from', 'session', 'frame'])
  t.match(JSON.parse(recorded.frame), { jsonrpc: '2.0', method: 'ping' })
})

t.test('systemd takes the unit, and the proxy its command line', async (t) => {
  const [unit = '', ...others] = blocksOf(section('For operators'), 'ini')
  t.strictSame(others, [])
  const [, line = ''] = /^ExecStart=\S*(mcp-proxy .*)$/m.exec(unit) ?? []
  const [, ...argv] = split(line)
  const { stdout } = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' })
  const knowsReload = Number(/^systemd (\d+)/.exec(stdout)?.[1]) >= 253
  const directory = t.testdir({
    'servers.json': '{"mcpServers":{"a":{"command":"a"}}}',
    'a.service': unit
      .replace(/^ExecStart=.*$/m, `ExecStart=${process.execPath}`)
      .replace('Type=notify-reload', knowsReload ? 'Type=notify-reload' : 'Type=notify')
  })
  const file = argv[argv.indexOf('--named-server-config') + 1] as string
  const own = argv.map((word) => (word === file ? `${directory}/servers.json` : word))
  t.strictSame((await parsed(own)).warnings, [])
  const command = ['verify', `${directory}/a.service`]
  const { error, status, stderr } = spawnSync('systemd-analyze', command, { encoding: 'utf8' })
  if (error !== undefined) t.comment('there is no systemd-analyze')
  else t.strictSame([status, stderr], [0, ''])
})

// ---- Command lines.

const deprecated = '--sse-host is deprecated: write --host'

async function parsed(argv: string[]): Promise<{ mode: string; warnings: string[] }> {
  const config = await parseArguments(argv, {}, 'linux')
  return { mode: config.mode, warnings: 'warnings' in config ? config.warnings : [] }
}

t.test('the command takes each command line without a warning', async (t) => {
  const lines = blocksOf(readme, 'sh')
    .join('')
    .split('\n')
    .flatMap((line) => /(?:^|\| |-- )(mcp-proxy .*?)(?: *[#|].*)?$/.exec(line)?.[1] ?? [])
  t.ok(lines.length > 20)
  for (const line of lines) {
    const [, ...argv] = split(line)
    if (argv.includes('--named-server-config')) continue // there is no such file here
    t.strictSame(
      (await parsed(argv)).warnings,
      line.includes('--sse-host') ? [deprecated] : [],
      line
    )
  }
})

t.test('the command takes what docker and compose give it', async (t) => {
  const docker = blocksOf(readme, 'sh').join('')
  const [, words] = /^docker run .* mcp-proxy:uv (.*)$/m.exec(docker) as string[]
  t.match(await parsed(split(words as string)), { mode: 'server', warnings: [] })
  const [, list] = /command:\s*\[([^\]]*)\]/.exec(blocksOf(readme, 'yaml').join('')) as string[]
  const argv = (list as string).split(',').map((word) => word.trim().replace(/^'(.*)'$/, '$1'))
  t.match(await parsed(argv), { mode: 'server', warnings: [] })
})

/** jq with the one filter that the example has, for machines without jq. */
const jqStandIn = `node -e '
  let text = ""
  process.stdin.on("data", (chunk) => (text += chunk)).on("end", () => {
    for (const line of text.trim().split("\\n")) console.log(JSON.stringify(JSON.parse(line).result))
  })'`

t.test('the shell example works beside npm start', async (t) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: { start: string } }
  const command = scripts.start
    .replace('node bin/mcp-proxy.js', 'mcp-proxy')
    .replace('fixtures/', `${root}fixtures/`)
  t.match(command, /^mcp-proxy node .* --port 8080$/)
  const hasJq = spawnSync('jq', ['--version']).status === 0
  const shell = openShell(t, hasJq ? {} : { jq: jqStandIn })
  const { url } = await shell.serve(command.replace('8080', '0'))
  const example = blocksOf(section('Try it'), 'sh').find((code) => code.includes('initialize='))
  const { code, stdout, stderr } = await shell.run(
    (example as string).replace('http://127.0.0.1:8080/', url)
  )
  t.equal(code, 0)
  t.equal(stderr, '')
  const results = stdout.trim().split('\n')
  t.match(JSON.parse(results[0] as string), { serverInfo: { name: 'demo' } })
  t.match(JSON.parse(results[1] as string), { content: [{ type: 'text', text: '5' }] })
  t.equal(results.length, 2)
})

t.test('the health check of compose passes while the proxy serves', async (t) => {
  const [, script = ''] = /-e, "(.*?)"\]/.exec(blocksOf(readme, 'yaml').join('')) ?? []
  const shell = openShell(t)
  const serving = await shell.serve(
    `mcp-proxy --host 0.0.0.0 --allow-host localhost node ${root}fixtures/servers/demo.js`
  )
  const { port } = new URL(serving.url)
  const check = (): number | null =>
    spawnSync(process.execPath, ['-e', script.replace('8080', port)]).status
  t.equal(check(), 0)
  await serving.kill()
  t.equal(check(), 1)
})

// ---- Figures.

/** The columns of the tables. */
const proxies = [
  'mcp-duplex',
  'mcp-proxy (npm)',
  'supergateway',
  'mcp-remote',
  'mcp-proxy (Python)',
  'mcp-proxy (Rust)'
]

/** The tables, as the bench calls them. */
const measured: Record<string, string> = {
  'calls per second': 'throughput, 16 in flight (calls/s)',
  'CPU time for a call': 'CPU per call, 16 in flight (µs)'
}

t.test('the figures are those that the bench saved', async (t) => {
  const text = section('Performance')
  const [, commit] = /at commit `(\w+)`/.exec(text) as unknown as [string, string]
  const ratiosOf = (saved: string): Record<string, number> => {
    const ratios: Record<string, number> = {}
    for (const line of read('spec/bench/history.ndjson').trim().split('\n')) {
      const entry = JSON.parse(line)
      if (entry.commit === saved) Object.assign(ratios, entry.ratios)
    }
    return ratios
  }
  const ratios = ratiosOf(commit)
  for (const [table, row] of Object.entries(measured)) {
    const rows = rowsOf(text, table)
    t.equal(rows.length, 4)
    for (const [way, ...cells] of rows) {
      const sockets = way === 'client mode' ? '' : ', raw sockets'
      const expected = proxies.map((name) =>
        ratios[`${way}${sockets}: small calls: ${row}: ${name}`]?.toFixed(2)
      )
      t.strictSame(
        cells,
        expected.map((ratio) => ratio ?? ''),
        `${table}, ${way}`
      )
    }
  }
  const starts = [
    'start-up: mcp-proxy --version (ms)',
    'start-up: client mode to the first response (ms)'
  ]
  const others = [
    'resident memory: after start (MiB)',
    'Streamable HTTP, sessions: notifications: a call with 1,000 progress notifications (ms)',
    'client mode: notifications: a call with 1,000 progress notifications (ms)'
  ]
  const runs = [...text.matchAll(/in the run of `(\w+)`:([^]*?)\n\n/g)]
  t.equal(runs.length, 2)
  for (const [index, names] of [starts, others].entries()) {
    const [, run, prose] = runs[index] as unknown as [string, string, string]
    t.strictSame(
      [...prose.matchAll(/\d+\.\d\d/g)].map(([figure]) => figure),
      names.map((name) => ratiosOf(run)[`${name}: mcp-duplex`]?.toFixed(2))
    )
  }
})
