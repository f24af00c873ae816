// The warnings about flags.

import t from 'tap'
import { client, server, sse } from '../parse.ts'

t.test('--port and --host win over their deprecated aliases', async (t) => {
  t.match(await server(['x', '--port', '1', '--sse-port', '2', '--host', 'a', '--sse-host=b']), {
    port: 1,
    host: 'a',
    warnings: ['--sse-port is deprecated: write --port', '--sse-host is deprecated: write --host']
  })
  t.match(await server(['x', '--sse-port', '2', '--sse-host', 'b']), { port: 2, host: 'b' })
})

t.test('flags without effect get one warning for each reason', async (t) => {
  const named = ['--named-server', 'a', 'x']
  t.match(await client([sse, 'word', ...named, '--port', '80', '--stateless', '-e', 'A', 'b']), {
    warnings: [
      'ignored with a URL: --env, --named-server, --port, --stateless',
      'ignored with a URL: the words after it'
    ]
  })
  t.match(await client([...named], { SSE_URL: sse }), { warnings: [/--named-server/] })
  t.match(
    await server([...named, '-e', 'A', 'b', '--cwd', '.', '-H', 'A', 'b', '--no-stateless']),
    {
      warnings: ['ignored without a URL: --headers', 'ignored without a command: --env, --cwd']
    }
  )
})

t.test('a warning has the flag as it was written', async (t) => {
  const ignored = async (...argv: string[]): Promise<string[]> => (await server(argv)).warnings
  t.strictSame(await ignored('x', '--no-verify-ssl'), [
    'ignored without a server at a URL: --no-verify-ssl'
  ])
  t.strictSame(await ignored('x', '--verify-ssl'), [
    'ignored without a server at a URL: --verify-ssl'
  ])
  t.match(await client([sse, '--base-path', 'false', '--sse-port', '1', '--port', '2']), {
    warnings: ['ignored with a URL: --port, --sse-port, --base-path']
  })
})
