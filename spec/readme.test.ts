// README.md says what is so.

import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { split } from 'shlex'
import t from 'tap'
import ts from 'typescript'
import { startHttpServer } from '../fixtures/servers/http.js'
import { flags, parseArguments } from '../lib/cli/arguments.ts'
import { help } from '../lib/cli/help.ts'
import { loadConfigFile } from '../lib/config/file.ts'
import * as library from '../lib/index.ts'
import { errorCodes } from '../lib/protocol/error-codes.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8')
const readme = read('README.md')

/** The rows of the tables whose first column is called `name`, as cells without padding. */
function rowsOf(name: string): string[][] {
  const tables = readme.split('\n\n').filter((block) => block.startsWith(`| ${name} `))
  const rows = tables.flatMap((table) => table.trim().split('\n').slice(2))
  return rows.map((row) =>
    row
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim())
  )
}

/** The blocks of code in a language. */
const blocksOf = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(
    ([, code]) => code as string
  )

const flagsIn = (words: string): string[] =>
  [...words.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)].map(([, flag]) => flag as string)

/** What --help says of each flag, from where it is listed to where the next one is. */
function entriesOfHelp(): Map<string, string> {
  const entries = new Map<string, string>()
  let listed: string[] = []
  for (const line of help.slice(0, help.indexOf('\nEnvironment:')).split('\n')) {
    const [, words, told = ''] =
      /^ {2}(-.*?)(?: {2,}| (?=the named servers, from))(.*)$/.exec(line) ?? []
    const [, alone] = /^ {2}(-.*)$/.exec(line) ?? []
    const head = words ?? alone
    if (head !== undefined) listed = flagsIn(head)
    else if (!line.startsWith('    ')) listed = []
    for (const flag of listed) {
      entries.set(flag, `${entries.get(flag) ?? ''} ${head === undefined ? line.trim() : told}`)
    }
  }
  return entries
}

const defaultIn = (told: string): string => /default: ([^,;)]+)/.exec(told)?.[1] ?? ''

t.test('its flags are those that there are', async (t) => {
  const named = rowsOf('flag').flatMap(([words = '']) => flagsIn(words))
  t.strictSame(named.sort(), [...flags].sort())
})

t.test('the defaults of its flags are those that --help tells', async (t) => {
  const entries = entriesOfHelp()
  t.strictSame([...entries.keys()].sort(), [...flags].sort())
  for (const [words = '', value = ''] of rowsOf('flag')) {
    const told = flagsIn(words).map((flag) => entries.get(flag))
    const written = value.replaceAll('`', '').split(/[,;]/)[0]
    t.equal(written, defaultIn(told.join(' ')), words)
  }
})

t.test('its error codes are those that there are, as they are told to peers', async (t) => {
  const source = read('lib/errors.ts')
  const codes = [
    ...source.matchAll(/^ {2}(ERR_\w+): \{ status: (\d+), rpc: errorCodes\.(\w+) \}/gm)
  ]
  t.ok(codes.length > 0)
  t.strictSame(
    rowsOf('code').map(([code, status, rpc]) => [code?.replaceAll('`', ''), status, rpc]),
    codes.map(([, code, status, rpc]) => [
      code,
      status,
      String(errorCodes[rpc as keyof typeof errorCodes])
    ])
  )
})

t.test('the library is told of in whole', async (t) => {
  const headings = readme.match(/^### .*$/gm)?.join('\n') ?? ''
  for (const name of Object.keys(library)) t.match(headings, new RegExp(`\\b${name}\\b`))
})

t.test('the examples of the library are right', async (t) => {
  const options = ts.getParsedCommandLineOfConfigFile(
    `${root}tsconfig.json`,
    { paths: { 'mcp-duplex': ['./lib/index.ts'] } },
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} }
  )?.options as ts.CompilerOptions
  const examples = new Map(
    blocksOf('ts').map((code, index) => [`${root}example-${index}.ts`, `${code}\nexport {}\n`])
  )
  t.ok(examples.size > 5)
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile } = host
  host.fileExists = (file) => examples.has(file) || fileExists(file)
  host.readFile = (file) => examples.get(file) ?? readFile(file)
  const program = ts.createProgram(
    [...examples.keys()],
    { ...options, noUnusedLocals: false, baseUrl: root },
    host
  )
  for (const file of examples.keys()) {
    const faults = ts.getPreEmitDiagnostics(program, program.getSourceFile(file))
    const told = faults.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
    t.strictSame(told, [], file)
  }
})

t.test('the proxy of three lines is the file, and works', async (t) => {
  t.ok(blocksOf('js').includes(read('fixtures/three-lines.js')))
  const server = await startHttpServer()
  t.teardown(() => server.close())
  const child = spawn(process.execPath, ['fixtures/three-lines.js', server.url], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'inherit']
  })
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '0' }
  }
  child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })}\n`)
  child.stdin.end(
    '{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"big":12345678901234567890}}\n'
  )
  const code = new Promise((resolve) => child.once('close', resolve))
  const [first, second, rest] = (await text(child.stdout)).split('\n')
  t.match(first, '"serverInfo"')
  t.match(second, '"method":"tools/list"')
  t.equal(rest, '')
  t.equal(await code, 0)
  // The server parses what it gets, but keeps what came.
  t.ok(server.requests.some(({ body }) => body.includes('12345678901234567890')))
})

t.test('its command lines are right', async (t) => {
  const lines = blocksOf('sh')
    .join('')
    .split('\n')
    .flatMap((line) => /(?:^|\| )(mcp-proxy .*?)(?: *[#|].*)?$/.exec(line)?.[1] ?? [])
  t.ok(lines.length > 15)
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

const deprecated = '--sse-host is deprecated: write --host'

async function parsed(argv: string[]): Promise<{ mode: string; warnings: string[] }> {
  const config = await parseArguments(argv, {}, 'linux')
  return { mode: config.mode, warnings: 'warnings' in config ? config.warnings : [] }
}

t.test('its containers are started with what the command takes', async (t) => {
  const [, words] = /^docker run .* mcp-proxy:uv (.*)$/m.exec(blocksOf('sh').join('')) as string[]
  t.match(await parsed(split(words as string)), { mode: 'server', warnings: [] })
  const [, list] = /command:\s*\[([^\]]*)\]/.exec(blocksOf('yaml').join('')) as string[]
  const argv = (list as string).split(',').map((word) => word.trim().replace(/^'(.*)'$/, '$1'))
  t.match(await parsed(argv.filter((word) => word !== '')), { mode: 'server', warnings: [] })
})

t.test('its config file loads', async (t) => {
  const example = blocksOf('json').filter((code) => code.includes('"enabled"'))
  const directory = t.testdir({ 'servers.json': example.join('') })
  const named = await loadConfigFile(`${directory}/servers.json`, (own) => Object.fromEntries(own))
  t.strictSame([...named.keys()], ['fetch', 'remote'])
})

t.test('what it links to is there', async (t) => {
  const anchor = (heading: string): string =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-')
  const anchors = new Set(
    [...readme.matchAll(/^#+ (.*)$/gm)].map(([, text]) => anchor(text as string))
  )
  const targets = [...readme.matchAll(/\]\((.*?)\)/g)].map(([, target]) => target as string)
  t.strictSame(
    targets.filter((target) => !anchors.has(target.replace('#', ''))),
    []
  )
  const files = [...readme.matchAll(/\b((?:fixtures|dist)\/[\w./-]+\w)/g)].map(([file]) => file)
  t.strictSame(
    files.filter((file) => !existsSync(`${root}${file}`)),
    []
  )
})
