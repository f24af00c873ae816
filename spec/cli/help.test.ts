// What --help prints agrees with what the parser knows.

import t from 'tap'
import { flags, parseArguments } from '../../lib/cli/arguments.ts'
import { help } from '../../lib/cli/help.ts'

t.test('help names every flag, and no other', async (t) => {
  const [told] = help.split('\nExamples:\n') as [string]
  const named = new Set([...told.matchAll(/(?<!\S)--([a-z][a-z-]*)/g)].map(([, name]) => name))
  t.strictSame([...named].sort(), [...flags].sort())
})

t.test('help fits 80 columns', async (t) => {
  t.strictSame(
    help.split('\n').filter((line) => line.length > 80),
    []
  )
})

t.test('the examples of help are right', async (t) => {
  const { split } = await import('shlex')
  const [, told] = help.split('\nExamples:\n') as [string, string]
  const examples = told.replaceAll('\\\n', '').trim().split('\n')
  t.equal(examples.length, 15)
  for (const example of examples) {
    const [name, ...argv] = split(example)
    t.equal(name, 'mcp-proxy')
    if (argv.includes('--named-server-config')) continue // there is no such file here
    const config = await parseArguments(argv, {}, 'linux')
    t.match(config.mode, /client|server/, example)
  }
})
