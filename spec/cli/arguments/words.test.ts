// How the words of a command line become flags and values.

import { join } from 'node:path'
import t from 'tap'
import { parseArguments } from '../../../lib/cli/arguments/parse-arguments.ts'
import { client, mistake, server, sse } from '../parse.ts'

t.test('nothing after --help or --version is read', async (t) => {
  for (const argv of [['-h'], ['--help'], ['uvx', '--help', '--wrong'], ['--hel', '--port', 'x']]) {
    t.strictSame(await parseArguments(argv, {}), { mode: 'help' }, argv.join(' '))
  }
  t.strictSame(await parseArguments(['--version'], {}), { mode: 'version' })
  t.equal((await server(['--', 'uvx', '--help'])).mode, 'server')
})

t.test('only the first -- ends the flags of the proxy', async (t) => {
  t.match(await server(['npx', '--', '-y', '--', '--port']), {
    default: { command: 'npx', args: ['-y', '--', '--port'] }
  })
})

t.test('minimist makes no numbers of words', async (t) => {
  t.match(await server(['007', '1e3', '-', '', '0x10']), {
    default: { command: '007', args: ['1e3', '-', '', '0x10'] }
  })
  t.match(await server(['-e', 'N', '007', 'x', '--host', '1']), {
    host: '1',
    default: { env: { N: '007' }, args: [] }
  })
})

t.test('the value of a flag may follow an equals sign', async (t) => {
  t.match(await server(['x', '--env=KEY', 'a=b', '--host=a=b']), {
    host: 'a=b',
    default: { env: { KEY: 'a=b' } }
  })
})

t.test('a value may begin with a dash if it is no flag', async (t) => {
  t.match(await server(['x', '-e', 'OPTIONS', '--max-old-space-size=4096']), {
    default: { env: { OPTIONS: '--max-old-space-size=4096' } }
  })
  t.match(await server(['x', '-e', 'OPTIONS', '--port 1 --host 2']), {
    default: { env: { OPTIONS: '--port 1 --host 2' } }
  })
})

t.test('a word with a dash that is no flag reaches the command', async (t) => {
  const argv = ['cmd', '-1', '--query=select 1', '-.5', '-x y', '--port 8080', '-', '--deb ug']
  t.match(await server(argv), { default: { command: 'cmd', args: argv.slice(1) } })
  t.match(await server(['cmd', '--port', '80', '-1']), { port: 80, default: { args: ['-1'] } })
  for (const flag of ['-1a', '--query=1', '-e1 2', '-hurry up', '--wrong\ttab', '-1.']) {
    await mistake(t, ['cmd', flag], /^unknown flag -|^-e needs two words: /)
  }
  for (const flag of ['-1', '--query=select 1', '--port 8080']) {
    await mistake(t, [flag, 'cmd'], /^unknown flag |^--port and its value came as one word: /)
  }
  t.match(await server(['cmd', '--host=a b']), { host: 'a b' })
})

t.test('a flag of the reference cannot be a value, even with a space', async (t) => {
  t.match(await server(['x', '-e', 'A', '--key=a b', '-e', '-1', '--query=select 1']), {
    default: { env: { A: '--key=a b', '-1': '--query=select 1' } }
  })
  await mistake(t, ['x', '-e', 'A', '--host=a b'], '-e needs two words: -e KEY VALUE')
  await mistake(t, ['x', '-e', 'A', '--key=ab'], '-e needs two words: -e KEY VALUE')
})

t.test('a header may be one word', async (t) => {
  const argv = ['-H', 'Authorization: Bearer a:b', '--headers=X-Key:  c ', '-H', 'Y', 'd: e', sse]
  t.match(await client(argv), {
    server: {
      headers: { Authorization: 'Bearer a:b', 'X-Key': 'c', Y: 'd: e' },
      url: { href: sse }
    }
  })
  const needsTwo = /^--?[Hh]\w* needs two words: -H Authorization 'Bearer TOKEN'$/
  for (const words of [['X:', 'hidden'], ['X: ', sse], [':x', 'y'], ['a b: hidden'], ['X:']]) {
    await mistake(t, ['-H', ...words], needsTwo)
  }
})

t.test('a list of headers may be one word', async (t) => {
  const argv = ['x', '--expose-header', 'X, Y,', '--expose-header=Z', '--expose-header', 'A,B']
  t.match(await server(argv), { exposeHeaders: ['X', 'Y', 'Z', 'A', 'B'] })
  await mistake(
    t,
    ['x', '--expose-header', 'X, a b'],
    /^--expose-header needs the name of a header/
  )
  await mistake(t, ['x', '--expose-header='], /^--expose-header needs the name of a header/)
})

t.test('the last value of a repeated flag counts', async (t) => {
  t.match(await server(['x', '--port', '1', '--port=2', '--stateless', '--no-stateless']), {
    port: 2,
    stateless: false
  })
  t.match(await server(['x', '--no-stateless', '--stateless', '-e', 'A', '1', '-e', 'A', '2']), {
    stateless: true,
    default: { env: { A: '2' } }
  })
  t.match(await client([sse, '--verify-ssl', '--no-verify-ssl']), { verify: false })
  t.match(await client([sse, '--no-verify-ssl', '--verify-ssl']), { verify: true })
})

t.test('only the flags of the reference can be shortened', async (t) => {
  t.match(await client([sse, '--header', 'A', 'b', '--no-verify']), {
    server: { headers: { A: 'b' } },
    verify: false
  })
  t.match(await server(['x', '--sse-p=1', '--pass-e', '--named-server-c']).catch(String), /needs/)
  await mistake(t, ['x', '--base', '/a'], /^unknown flag --base/)
  await mistake(t, ['--named', 'a', 'b'], 'unknown flag --named: did you mean --named-server?')
})

t.test('a word after --verify-ssl is its value if it is true, false or a file', async (t) => {
  const pem = join(t.testdir({ 'ca.pem': '' }), 'ca.pem')
  for (const word of ['true', 'YES', 'on', '1']) {
    t.match(await client(['--no-verify-ssl', '--verify-ssl', word, sse]), { verify: true })
  }
  for (const word of ['False', 'no', 'off', '0']) {
    t.match(await client(['--verify-ssl', word, sse]), { verify: false }, word)
    t.match(await client([`--verify-ssl=${word}`, sse]), { verify: false }, word)
  }
  t.match(await client(['--verify-ssl', sse]), { verify: true, server: { url: { href: sse } } })
  t.match(await client([sse, '--verify-ssl']), { verify: true })
  t.match(await client([sse, '--verify-ssl', '--debug']), { verify: true, logLevel: 'DEBUG' })
  t.match(await client(['--verify-ssl', pem, sse]), { verify: pem })
  t.match(await client([`--verify-ssl=${pem}`, sse]), { verify: pem })
  t.match(await server(['--verify-ssl', t.testdirName]), { default: { command: t.testdirName } })
})

t.test('any word after --verify-ssl is its value if there is a URL too', async (t) => {
  const message = '--verify-ssl takes true, false or a PEM file, and there is no file "none.pem"'
  await mistake(t, ['--verify-ssl=none.pem', sse], message)
  await mistake(t, ['--verify-ssl', 'none.pem', sse], message)
  await mistake(t, ['--verify-ssl', 'none.pem', '--debug', '--', sse], message)
  await mistake(t, [sse, '--verify-ssl', 'none.pem'], message)
  await mistake(t, ['uvx', '--verify-ssl', 'none.pem'], message)
  await mistake(t, ['--named-server', 'a', 'b', '--verify-ssl', 'none.pem'], message)
  t.match(await server(['--verify-ssl', 'uvx', 'fetch']), {
    default: { command: 'uvx', args: ['fetch'] }
  })
  await mistake(t, ['--verify-ssl', '', 'uvx'], /^--verify-ssl takes true, false or a PEM file/)
  t.match(await server(['--verify-ssl', '--', 'uvx']), { default: { command: 'uvx' } })
  t.match(await client(['--verify-ssl', sse, 'word']), { server: { url: { href: sse } } })
})

t.test('--allow-origin takes every word up to the next flag', async (t) => {
  const allowOrigins = ['a.com', 'b.com', '-1']
  const words = ['--allow-origin', ...allowOrigins]
  for (const argv of [
    ['cmd', ...words],
    [...words, '--port', '80', 'cmd'],
    [...words, '--', 'cmd']
  ]) {
    t.match(await server(argv), { allowOrigins, default: { command: 'cmd', args: [] } })
  }
  const named = await server([...words, '--named-server', 'a', 'b'])
  t.match(named, { allowOrigins, default: undefined })
})

t.test(
  'without another command, --allow-origin takes only what looks like an origin',
  async (t) => {
    const origins = ['--allow-origin', 'https://a.example', 'http://b.example:80/', '*', 'null']
    t.match(await server([...origins, 'uvx', 'fetch', '--allow-origin', 'vscode-webview://x']), {
      allowOrigins: ['https://a.example', 'http://b.example', '*', 'null', 'vscode-webview://x'],
      default: { command: 'uvx', args: ['fetch'] },
      warnings: []
    })
    t.match(await client(['--allow-origin=*', sse]), { warnings: [/--allow-origin/] })
    t.match(
      await server(['x', '--allow-origin', 'http://localhost:*', '--allow-origin', 'b.com']),
      {
        allowOrigins: ['http://localhost:*', 'b.com'],
        warnings: ['--allow-origin b.com: browsers send it like https://example.com']
      }
    )
    t.match(await server(['--allow-origin', 'b.com', 'https://a', 'uvx', '*', '--debug']), {
      allowOrigins: ['b.com', 'https://a'],
      default: { command: 'uvx', args: ['*'] }
    })
    await mistake(t, ['--allow-origin', 'uvx'], /^nothing to do: /)
    await mistake(t, ['x', '--allow-origin'], /^--allow-origin needs an origin: /)
    await mistake(t, ['x', '--allow-origin', '--debug'], /^--allow-origin needs an origin: /)
  }
)

t.test('the error for a missing value shows how to give it', async (t) => {
  await mistake(t, ['x', '--port'], '--port needs a value: --port N')
  await mistake(t, ['--port', '--', 'x'], '--port needs a value: --port N')
  await mistake(t, ['--cwd', '--port=1', 'x'], '--cwd needs a value: --cwd DIR')
  await mistake(t, ['-e', 'KEY'], '-e needs two words: -e KEY VALUE')
  await mistake(t, ['x', '-e', 'KEY', '-e', 'B', '2'], '-e needs two words: -e KEY VALUE')
  await mistake(t, ['-e', 'KEY=hidden', 'x'], '--env needs two words: -e KEY VALUE')
  await mistake(t, ['-e', '', 'x', 'y'], '--env needs two words: -e KEY VALUE')
  await mistake(t, ['-eKEY', 'hidden', 'x'], '-e needs two words: -e KEY VALUE')
  await mistake(t, ['x', '--debug=1'], '--debug takes no value: write --debug, or leave it out')
})
