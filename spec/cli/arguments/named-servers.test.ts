// The servers of --named-server and of the config file.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { around, fetchServer, mistake, server } from '../parse.ts'

t.test('the command of a named server is split as a shell splits it', async (t) => {
  const { named } = await server(['--named-server', 'a', ` x  'b c' "d'e" f\\ g ''`])
  t.match(named.get('a'), { command: 'x', args: ['b c', "d'e", 'f g', ''] })
  t.match(await server(['--named-server', 'a', ' x\ty\n', 'own']), {
    named: new Map([['a', { command: 'x', args: ['y'] }]]),
    default: { command: 'own' }
  })
})

t.test('the error for a named server has its name', async (t) => {
  const closed = '--named-server a: a quote or backslash in its command has nothing to close it'
  await mistake(t, ['--named-server', 'a', "x 'hidden"], closed)
  for (const text of ['', '  ', "''"]) {
    await mistake(t, ['--named-server', 'a', text], '--named-server a: its command is empty')
  }
  await mistake(t, ['--named-server', '..', 'x'], /^--named-server "\.\.": the name must be fit/)
  await mistake(t, ['--named-server', 'a'], /^--named-server needs two words: /)
  t.match(await server(['--named-server', 'a', 'x', '--named-server', 'a', 'y']), {
    named: new Map([['a', { command: 'y' }]]),
    warnings: ['--named-server a is given again: the last one counts']
  })
})

t.test('a config file takes the place of --named-server', async (t) => {
  const file = join(
    t.testdir({
      'servers.json': JSON.stringify({
        mcpServers: { fetch: { command: 'uvx', args: ['mcp-server-fetch'], env: { A: 'b' } } }
      })
    }),
    'servers.json'
  )
  const argv = ['--port=8080', '--named-server-config', file]
  const env = { PATH: '/bin', A: 'b' }
  const config = await server(argv)
  t.strictSame(config.named, new Map([['fetch', { ...fetchServer, env }]]))
  t.match(await server([...argv, '--named-server', 'x', "'ignored"]), {
    named: new Map([['fetch', {}]]),
    warnings: ['ignored with --named-server-config: --named-server']
  })
  t.match((await server([...argv, '--pass-environment'])).named.get('fetch'), {
    env: { ...around, A: 'b' }
  })
  await mistake(t, ['--named-server-config='], '--named-server-config needs the name of a file')
  const none = join(t.testdirName, 'none.json')
  await t.rejects(server(['--named-server-config', none]), {
    code: 'ERR_CONFIG',
    message: `${none}: no such file`
  })
})

t.test(
  'a config file with no enabled server is an error, unless there is a default server',
  async (t) => {
    const file = join(t.testdir({ 'servers.json': '{"mcpServers":{}}' }), 'servers.json')
    const message = `${file}: no server in it is enabled`
    const argv = ['--named-server-config', file]
    await t.rejects(server(argv), { code: 'ERR_CONFIG', message })
    t.match(await server([...argv, 'uvx']), { named: new Map(), warnings: [message] })
  }
)

t.test('a wrong entry beside others is skipped with a warning', async (t) => {
  const wrong = { github: {}, web: { url: '${URL}' } }
  const faults = [
    'github: needs a command or a url',
    'web: url: the variable URL is not set: set it, or write ${URL:-default}'
  ]
  const write = (servers: object): string[] => {
    const file = join(t.testdir({ 'servers.json': JSON.stringify({ servers }) }), 'servers.json')
    return ['--named-server-config', file]
  }
  const argv = write({ ...wrong, good: { command: 'x', args: ['${A:-1}'] } })
  const [, file] = argv
  const warnings = faults.map((fault) => `skipped in ${file}: ${fault}`)
  const config = await server(argv)
  t.match(config, { warnings })
  t.strictSame([...config.named.keys()], ['good'])
  const own = { ...around, URL: 'http://a/', A: '2' }
  const named = { good: { args: ['2'] }, web: { url: { href: 'http://a/' } } }
  t.match(await server(argv, own), { named: new Map(Object.entries(named)), warnings: /github/ })

  const bad = write(wrong)
  t.match(await server([...bad, 'uvx']), { default: { command: 'uvx' }, warnings })
  const error = { code: 'ERR_CONFIG', message: `${file}: ${faults.join('; ')}` }
  await t.rejects(server(bad), error)
  const check = { faults: faults.map((fault) => `${file}: ${fault}`) }
  t.match(await server([...bad, '--check']), { named: new Map(), warnings: [], check })
})

t.test('a flag and the key of the same name in a config file refuse the same values', async (t) => {
  const remote = { url: 'http://a/' }
  const faults: [argv: string[], entry: object][] = [
    [['x', '--cwd', '/no/such'], { command: 'x', cwd: '/no/such' }],
    [['x', '-e', 'A=b', 'c'], { command: 'x', env: { 'A=b': 'c' } }],
    [['-H', 'a b', 'c', remote.url], { ...remote, headers: { 'a b': 'c' } }],
    [['-H', 'A', 'b\n', remote.url], { ...remote, headers: { A: 'b\n' } }],
    [['--transport', 'ws', remote.url], { ...remote, transport: 'ws' }],
    [['http:///x'], { url: 'http:///x' }]
  ]
  for (const [argv, entry] of faults) {
    await mistake(t, argv, /./)
    const file = join(t.testdir({}), 'servers.json')
    writeFileSync(file, JSON.stringify({ servers: { entry } }))
    const error = { code: 'ERR_CONFIG', message: `${file}: entry: ` }
    await t.rejects(server(['--named-server-config', file]), error, argv.join(' '))
  }
})
