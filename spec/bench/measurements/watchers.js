// What it costs for each small call to watch the traffic. The baseline is the proxy that nobody watches.
//
// - `metrics`: with --metrics
// - `page`: with --inspect, and a page that is open
// - `off`: nobody watches. The baseline is the same build without its facts: what publishes them returns
//   at once.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openPage } from '../clients/page.js'
import { SessionClient } from '../clients/session-client.js'
import { mcpProxy, ours, serverMode } from '../proxies.js'
import { startServer } from '../start-server.js'
import { compareCalls } from './calls.js'

export async function* measureMetrics({ rounds, raw }) {
  const flags = ['--metrics', '/metrics']
  const openers = [() => open('without metrics', { raw }), () => open(ours, { raw, flags })]
  yield [titleOf('metrics', raw), await compare(openers, rounds)]
}

export async function* measurePage({ rounds, raw }) {
  const watched = { raw, flags: ['--inspect', '0'], watch: openPage }
  const openers = [() => open('without the page', { raw }), () => open(ours, watched)]
  yield [titleOf('an open traffic page', raw), await compare(openers, rounds)]
}

export async function* measureOff({ rounds, raw }) {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'))
  try {
    const command = copyWithoutFacts(directory)
    const openers = [() => open('without facts', { raw, command }), () => open(ours, { raw })]
    yield [titleOf('nobody watches', raw), await compare(openers, rounds)]
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const titleOf = (what, raw) => `${what}${raw ? ', raw sockets' : ''}`

/** Compares two proxies. There are two processes of each, because equal processes differ by some percent. */
async function compare([baseline, other], rounds) {
  const candidates = []
  try {
    for (const opener of [baseline, other, other, baseline]) candidates.push(await opener())
    return await compareCalls(candidates, rounds)
  } finally {
    for (const { close } of candidates) await close()
  }
}

/** @param watch begins to watch, by the log of the proxy. Resolves to a function that ends it */
async function open(name, { raw, flags = [], command = mcpProxy, watch }) {
  const { args, path } = serverMode('/mcp', ...flags)
  const server = await startServer((port) =>
    args(port).map((argument) => (argument === mcpProxy ? command : argument))
  )
  const client = new SessionClient({ port: server.port, path, raw })
  await client.open()
  const unwatch = await watch?.(server.log())
  const close = async () => {
    client.close()
    unwatch?.()
    await server.stop()
  }
  return { name, client, pid: server.pid, close }
}

/** What publishes facts while clients call: see lib/streams/facts.ts. */
const publishers = [
  'publishMessage',
  'publishOpen',
  'publishEnd',
  'publishRefusal',
  'publishProcess'
]

/** Copies the build, and returns the command of the copy. */
function copyWithoutFacts(directory) {
  const root = join(mcpProxy, '../..')
  for (const part of ['bin', 'dist', 'package.json']) {
    cpSync(join(root, part), join(directory, part), { recursive: true })
  }
  const bundle = join(directory, 'dist/cli.cjs')
  let code = readFileSync(bundle, 'utf8')
  for (const name of publishers) {
    const [start] = new RegExp(`function ${name}\\([^()]*\\) *\\{`).exec(code) ?? []
    if (start === undefined) throw new Error(`the build has no function ${name}`)
    code = code.replace(start, () => `${start}return;`)
  }
  writeFileSync(bundle, code)
  return join(directory, 'bin/mcp-proxy.js')
}
