// What --help prints.

import { split } from 'shlex'
import t from 'tap'
import { parseArguments } from '../../lib/cli/arguments/parse-arguments.ts'
import { groups, spellings } from '../../lib/cli/flags.ts'
import { renderHelp } from '../../lib/cli/help.ts'

const [tables, examples] = renderHelp(groups).split('\nExamples:\n') as [string, string]

t.test('it has every flag and no other', async (t) => {
  const found = new Set([...tables.matchAll(/(?<!\S)--([a-z][a-z-]*)/g)].map(([, name]) => name))
  t.strictSame([...found].sort(), [...spellings().keys()].sort())
})

t.test('it fits 80 columns, without blanks at the end of a line', async (t) => {
  const lines = renderHelp(groups).split('\n')
  t.strictSame(
    lines.filter((line) => line.length > 80 || line.endsWith(' ')),
    []
  )
})

t.test('a row has the flag, its text and its default', async (t) => {
  for (const row of [
    '  -h, --help                 print this text and exit\n',
    '  --max-message SIZE         the largest message, in either direction\n' +
      '                             (default: 64m)\n',
    '  --sse-port N               deprecated: write --port\n',
    '                             (default: loopback names if --host is one, else\n',
    '  --verify-ssl [VALUE], --no-verify-ssl\n                             how to check '
  ]) {
    t.ok(tables.includes(row), row)
  }
  t.match(tables, /\n {2}--session-timeout T [^(]*\(default: 30m\)\n/)
  t.match(tables, /\n {2}--shared [^(]*\(default: off\)\n/)
  t.match(tables, /\n {2}--expose-header NAME [^:]*\(default: Mcp-Session-Id\)\n/)
})

t.test('its examples are right', async (t) => {
  const lines = examples.replaceAll('\\\n', '').trim().split('\n')
  t.equal(lines.length, 15)
  for (const line of lines) {
    const [name, ...argv] = split(line)
    t.equal(name, 'mcp-proxy')
    if (argv.includes('--named-server-config')) continue // there is no such file here
    const config = await parseArguments(argv, {}, 'linux')
    t.match(config.mode, /client|server/, line)
  }
})
