// The class of advisories in which a configuration becomes a shell command. The proxy starts programs
// without a shell, so its words mean nothing but themselves.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { parseArguments } from '../../lib/cli/arguments/parse-arguments.ts'
import { connectChild } from '../../lib/stdio/connect-child.ts'

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
