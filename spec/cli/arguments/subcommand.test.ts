import t from 'tap'
import { subcommandOf } from '../../../lib/cli/arguments/subcommand.ts'
import { parseArguments } from '../../../lib/cli/arguments/parse-arguments.ts'

const url = 'https://example.com/mcp'
const found = (...argv: string[]): unknown =>
  subcommandOf(
    argv.filter((word) => !word.startsWith('-')),
    argv
  )

t.test('login and logout are subcommands only in front of a URL', async (t) => {
  t.equal(found('login', url), 'login')
  t.equal(found('logout', url), 'logout')
  t.equal(found('--', 'login', url), undefined)
  t.equal(found('login'), undefined)
  t.equal(found('login', 'me'), undefined)
  t.equal(found('my-server', url), undefined)
  t.match(await parseArguments(['login', '--no-browser', url], {}), {
    mode: 'login',
    client: { server: { url: { href: url } }, credentials: { browser: false } }
  })
  t.match(await parseArguments(['--', 'login', url], {}), { mode: 'server' })
})

t.test('tokens is a subcommand only alone', async (t) => {
  t.equal(found('tokens'), 'tokens')
  t.equal(found('tokens', url), undefined)
  t.equal(found('tokens', '--shared'), undefined)
  t.strictSame(await parseArguments(['tokens'], {}), { mode: 'tokens' })
  t.match(await parseArguments(['--', 'tokens'], {}), { mode: 'server' })
})

t.test('inspect is a subcommand only in front of a file, and with nothing else', async (t) => {
  const file = `${t.testdir({ recording: '' })}/recording`
  t.equal(found('inspect', file), 'inspect')
  t.equal(found('inspect', `${file}s`), undefined)
  t.equal(found('inspect', t.testdirName), undefined, 'a directory')
  t.equal(found('inspect'), undefined)
  t.equal(found('inspect', file, '--shared'), undefined)
  t.equal(found('inspect', file, file), undefined)
  t.strictSame(await parseArguments(['inspect', file], {}), { mode: 'inspect', file })
  t.match(await parseArguments(['--', 'inspect', file], {}), { mode: 'server' })
})
