// lib/README.md describes the library as it is.

import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import t from 'tap'
import ts from 'typescript'
import { startHttpServer } from '../fixtures/servers/http.js'
import * as library from '../lib/index.ts'
import { limits } from '../lib/limits.ts'
import { blocksOf, read, root, rowsOf, sectionsOf } from './markdown.ts'

const readme = read('lib/README.md')
const functions = sectionsOf(readme, 3)

/** The compiler's complaints about sources that import `mcp-duplex`, in the order of the sources. */
function faultsOf(sources: string[]): string[][] {
  const options = ts.getParsedCommandLineOfConfigFile(
    `${root}tsconfig.json`,
    { paths: { 'mcp-duplex': ['./lib/index.ts'] } },
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} }
  )?.options as ts.CompilerOptions
  const files = new Map(
    sources.map((code, index) => [`${root}example-${index}.ts`, `${code}\nexport {}\n`])
  )
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile } = host
  host.fileExists = (file) => files.has(file) || fileExists(file)
  host.readFile = (file) => files.get(file) ?? readFile(file)
  const program = ts.createProgram(
    [...files.keys()],
    { ...options, noUnusedLocals: false, baseUrl: root },
    host
  )
  return [...files.keys()].map((file) =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(file))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
  )
}

t.test('each public name has a heading', async (t) => {
  const headings = [...functions.keys()].join('\n')
  for (const name of Object.keys(library)) t.match(headings, new RegExp(`\\b${name}\\b`))
})

/** The names in the first column of a section's table of options. */
const optionsIn = (section: string): string[] =>
  rowsOf(section, 'option').flatMap(([words = '']) =>
    [...words.matchAll(/`(\w+)`/g)].map(([, name]) => name as string)
  )

/** A source that compiles if a function's table has each member of its options and no other. */
function checkOf([heading, section]: [string, string]): string {
  const [, name = '', parameters = ''] = /^(\w+)\((.*?)\)/.exec(heading) ?? []
  const index = parameters.split(',').findIndex((parameter) => parameter.includes('options'))
  const members = optionsIn(section)
  // Limits that the listener takes with all others, and does not use.
  if (name === 'listen') {
    members.push('closeTimeout', 'restarts', 'connectTimeout', 'maxQueue', 'maxRounds')
    members.push('loginTimeout')
    members.push('inputTimeout', 'maxConnections', 'maxGroupConnections', 'probeTimeout')
    members.push('clockSkew', 'keyAge', 'introspectionAge', 'maxIntrospections')
  }
  return `import { ${name} } from 'mcp-duplex'
    type Options = Required<NonNullable<Parameters<typeof ${name}>[${index}]>>
    const documented: Record<keyof Options, true> = { ${members.map((member) => `${member}: true`).join(', ')} }
    void documented`
}

t.test('the examples compile, and the tables list each option and no other', async (t) => {
  const examples = blocksOf(readme, 'ts')
  t.ok(examples.length > 5)
  const tables = [...functions].filter(([, section]) => optionsIn(section).length > 0)
  t.ok(tables.length > 5)
  // All at once, since the compiler takes seconds to begin.
  const faults = faultsOf([...examples, ...tables.map(checkOf)])
  const names = [...examples, ...tables.map(([heading]) => heading)]
  for (const [index, name] of names.entries()) t.strictSame(faults[index], [], name)
})

const units: Record<string, number> = {
  ms: 1,
  s: 1000,
  min: 60_000,
  KiB: 1024,
  MiB: 1024 * 1024
}

t.test('the tables give the default of each limit', async (t) => {
  const rows = rowsOf(readme, 'option').filter(([name = '']) => name.replaceAll('`', '') in limits)
  t.ok(rows.length > 15)
  for (const [name = '', value = ''] of rows) {
    const [number = '', unit = ''] = value.split(' ')
    const limit = limits[name.replaceAll('`', '') as keyof typeof limits]
    t.equal(Number(number) * (units[unit] ?? 1), limit, name)
  }
})

t.test('the proxy of three lines is the file, and works', async (t) => {
  t.ok(blocksOf(readme, 'js').includes(read('fixtures/three-lines.js')))
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
  // The server parses what it gets, but keeps the bytes.
  t.ok(server.requests.some(({ body }) => body.includes('12345678901234567890')))
})
