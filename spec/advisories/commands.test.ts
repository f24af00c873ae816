// Advisories about commands. In one class a configuration becomes a shell command: the proxy starts
// programs without a shell, so its words mean nothing but themselves. In others a request chooses the
// command, or reaches a server that was meant for this machine.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'
import { parseArguments } from '../../lib/cli/arguments/parse-arguments.ts'
import { connectChild } from '../../lib/stdio/connect-child.ts'
import { demo, openShell } from '../command/run.ts'
import { initialize, json } from '../http-server/helpers.ts'

const attacks = [
  '; touch pwned',
  '&& touch pwned',
  '| touch pwned',
  '$(touch pwned)',
  '`touch pwned`',
  '> pwned',
  '\n touch pwned',
  '%PATH%'
]

/** A program that writes its words and an environment variable to a file. */
const program =
  'require("fs").writeFileSync("words", JSON.stringify([...process.argv.slice(1), process.env.VALUE]))'

/** Starts the server `a` of a command line. Resolves to the words that the program got. */
async function wordsOf(argv: string[], cwd: string): Promise<string[]> {
  const config = await parseArguments(['--cwd', cwd, ...argv], process.env)
  if (config.mode !== 'server') throw new Error('is not server mode')
  const server = config.default ?? config.named.get('a')
  if (server?.kind !== 'command') throw new Error('is no command')
  const { command, args, env } = server
  const transport = connectChild({ command, args, env, cwd })
  transport.on('error', () => {}).resume()
  await new Promise((resolve) => transport.once('close', resolve))
  return JSON.parse(readFileSync(`${cwd}/words`, 'utf8'))
}

t.test('shell: the words of a command are no shell command', async (t) => {
  const cwd = t.testdir()
  for (const attack of attacks) {
    const argv = ['-e', 'VALUE', attack, '--', process.execPath, '-e', program, '--', attack]
    t.strictSame(await wordsOf(argv, cwd), [attack, attack], attack)
  }
  t.notOk(existsSync(`${cwd}/pwned`))
})

t.test(
  'shell: nor are those of a named server, which are split as a shell splits words',
  async (t) => {
    const cwd = t.testdir()
    const node = JSON.stringify(process.execPath)
    const quoted = `'${program}'`
    const line = `${node} -e ${quoted} -- ; touch pwned && touch pwned $(touch pwned) \`touch pwned\` > pwned`
    const words = await wordsOf(['--named-server', 'a', line], cwd)
    t.match(words, [';', 'touch', 'pwned', '&&'])
    t.notOk(existsSync(`${cwd}/pwned`))
  }
)

t.test('shell: nor are those of a config file', async (t) => {
  const cwd = t.testdir()
  for (const attack of attacks) {
    const entry = {
      command: process.execPath,
      args: ['-e', program, '--', attack],
      env: { VALUE: attack }
    }
    writeFileSync(`${cwd}/servers.json`, JSON.stringify({ mcpServers: { a: entry } }))
    const words = await wordsOf(['--named-server-config', `${cwd}/servers.json`], cwd)
    t.strictSame(words, [attack, attack], attack)
    const wrong = { command: `${process.execPath} -v ${attack}` }
    writeFileSync(`${cwd}/servers.json`, JSON.stringify({ mcpServers: { a: wrong } }))
    const start = async (): Promise<unknown> => {
      const config = await parseArguments(
        ['--named-server-config', `${cwd}/servers.json`],
        process.env
      )
      const server = config.mode === 'server' ? config.named.get('a') : undefined
      if (server?.kind !== 'command') return
      const transport = connectChild({ ...server, cwd })
      return new Promise((resolve) => transport.on('error', resolve).on('close', resolve).resume())
    }
    t.match(await start().catch((error: unknown) => error), { code: 'ERR_COMMAND_NOT_FOUND' })
  }
  t.notOk(existsSync(`${cwd}/pwned`))
})

t.test('GHSA-wvr4-3wq4-gpc5: no request chooses a command', async (t) => {
  const shell = openShell(t)
  const { url, ended, kill } = await shell.serve(`mcp-proxy --port 0 -- ${demo}`)
  const file = `${shell.directory}/pwned`
  const choice = {
    serverPath: 'touch',
    command: 'touch',
    args: [file],
    env: { NODE_OPTIONS: `--require=${file}` },
    mcpServers: { evil: { command: 'touch', args: [file] } }
  }
  const client = httpClient(url)
  t.teardown(() => client.close())
  const opening = { ...initialize, params: { ...initialize.params, ...choice, _meta: choice } }
  const bodies = [JSON.stringify({ ...choice, method: 'tools/list', params: {} }), json(opening)]
  const headers = { 'x-server-path': 'touch', 'x-command': `touch ${file}` }
  const query = new URLSearchParams({ command: 'touch', args: file, serverPath: 'touch' })
  for (const path of ['bridge', 'mcp', 'sse', 'messages/', 'servers/touch/mcp', '', 'status']) {
    for (const method of ['POST', 'PUT', 'PATCH']) {
      for (const body of bodies) {
        const target = new URL(`${path}?${query}`, url)
        const response = await client.open(method, body, headers, target)
        response.resume()
        const isSession = path === 'mcp' && method === 'POST' && body === bodies[1]
        t.equal(response.statusCode === 200, isSession, `${method} ${path}`)
      }
    }
  }
  const events = await sseClient(new URL(`sse?${query}`, url))
  t.match(await events.initialize(choice), { result: { serverInfo: { name: 'demo' } } })
  events.close()
  await sleep(100)
  t.notOk(existsSync(file))
  await kill()
  await ended
})

/** Resolves to whether something listens at an address. */
const isOpen = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2000 })
    const end = (result: boolean) => (): void => {
      socket.destroy()
      resolve(result)
    }
    socket.on('connect', end(true)).on('error', end(false)).on('timeout', end(false))
  })

t.test('CVE-2026-81094: by default only this machine reaches the servers', async (t) => {
  const shell = openShell(t)
  const { url, kill } = await shell.serve(`mcp-proxy --port 0 -- ${demo}`)
  const port = Number(new URL(url).port)
  t.ok(await isOpen('127.0.0.1', port))
  // On Linux, a listener on all interfaces also has this address.
  const others = Object.values(networkInterfaces()).flatMap((all = []) => all)
  const addresses = others.filter(({ internal }) => !internal).map(({ address }) => address)
  for (const address of ['127.0.0.2', ...addresses]) t.notOk(await isOpen(address, port), address)
  await kill()
  const line = `mcp-proxy --host 0.0.0.0 --port 0 -- ${demo}`
  const warned = await shell.serve(line)
  t.ok(warned.log.some((text) => text.includes('--auth-token-file')))
  await warned.kill()
  const { code } = await shell.run(line.replace('--host', '--require-auth --host'))
  t.equal(code, 2)
})
