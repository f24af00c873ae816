// The flags about the issuers of tokens.

import t from 'tap'
import { around, mistake, server } from '../parse.ts'

const url = 'https://auth.example.com/tenant'
const issuer = ['--auth-issuer', url]
const introspection = ['--auth-introspection', 'https://auth.example.com/introspect']

t.test('an issuer is kept as it was written', async (t) => {
  const texts = [
    url,
    `${url}/`,
    'HTTPS://auth.example.com',
    'http://127.0.0.1:8080',
    'http://[::1]'
  ]
  const words = texts.flatMap((text) => ['--auth-issuer', text])
  t.strictSame((await server(['x', ...words])).auth, { issuer: { issuers: texts, scopes: {} } })
  t.match(await server(['x', ...issuer, '--auth-audience', 'api://mcp', '--auth-token-file=f']), {
    auth: { file: 'f', issuer: { audience: 'api://mcp' } }
  })
  for (const text of [
    'http://auth.example.com',
    'http://localhost.example.com',
    'auth.example.com',
    'https://user:hidden@auth.example.com',
    ''
  ]) {
    await mistake(t, ['x', '--auth-issuer', text], /^--auth-issuer needs a URL like https:/)
  }
  for (const text of [`${url}?a=b`, `${url}?`, `${url}#a`, `${url}#`]) {
    await mistake(t, ['x', '--auth-issuer', text], '--auth-issuer needs a URL without a query')
  }
  await mistake(t, ['x', ...issuer, '--auth-audience', ''], /^--auth-audience needs a URI like/)
  await mistake(t, ['x', ...issuer, '--auth-audience', 'a b'], /^--auth-audience needs a URI like/)
})

t.test('scopes belong to servers that exist', async (t) => {
  const named = ['--named-server', 'a', 'b', '--named-server', 'default', 'c']
  const scopes = ['a=s:1', 'a=s:2', 'default=t'].flatMap((text) => ['--auth-scope', text])
  t.match(await server(['x', ...named, ...issuer, ...scopes]), {
    auth: { issuer: { scopes: { a: ['s:1', 's:2'], '': ['t'] } } }
  })
  const withoutCommand = await server([...named, ...issuer, ...scopes])
  t.strictSame(withoutCommand.auth?.issuer?.scopes, { a: ['s:1', 's:2'], default: ['t'] })
  const unknown = '--auth-scope: there is no server "fetch"'
  await mistake(t, ['x', ...issuer, '--auth-scope', 'fetch=s'], unknown)
  for (const text of ['fetch', '=s', 'fetch=', 'fetch=a b', 'fetch=a"', 'fetch=a\\']) {
    const message = '--auth-scope needs a server and a scope: fetch=mcp:fetch'
    await mistake(t, ['x', ...issuer, '--auth-scope', text], message)
  }
})

t.test('the credentials for introspection come from a file or the environment', async (t) => {
  const env = { ...around, MCP_PROXY_INTROSPECTION: ' id:hidden\n' }
  const href = introspection[1] as string
  const file = ['--auth-introspection-file', 'f']
  t.match(await server(['x', ...issuer, ...introspection, ...file], env), {
    auth: { issuer: { introspection: { url: { href }, file: 'f', credentials: undefined } } }
  })
  t.match(await server(['x', ...issuer, ...introspection], env), {
    auth: { issuer: { introspection: { url: { href }, credentials: 'id:hidden' } } }
  })
  t.equal(
    (await server(['x', '--pass-environment'], env)).default?.env.MCP_PROXY_INTROSPECTION,
    undefined
  )
  t.equal((await server(['x'], env)).auth, undefined)
  const missing = /^--auth-introspection needs --auth-introspection-file or MCP_PROXY_INTROSPECTION/
  await mistake(t, ['x', ...issuer, ...introspection], missing)
  const alone = '--auth-introspection-file needs --auth-introspection too'
  await mistake(t, ['x', ...issuer, ...file], alone)
  const wrong = ['--auth-introspection', 'http://auth.example.com/introspect']
  await mistake(t, ['x', ...issuer, ...wrong], /^--auth-introspection needs a URL like https:/)
})

t.test('the other flags need an issuer', async (t) => {
  for (const words of [
    ['--auth-audience', 'a'],
    ['--auth-scope', 'default=s'],
    introspection,
    ['--auth-introspection-file', 'f']
  ]) {
    await mistake(t, ['x', ...words], `${words[0]} needs --auth-issuer too`)
  }
})

t.test('the public URL is a URL, and needed if the host is none', async (t) => {
  const urls: [text: string, publicUrl: string][] = [
    ['https://mcp.example.com', 'https://mcp.example.com'],
    ['HTTPS://MCP.example.com:443/', 'https://mcp.example.com'],
    ['http://example.com/tools/', 'http://example.com/tools']
  ]
  for (const [text, publicUrl] of urls) {
    t.match(await server(['x', '--public-url', text]), { publicUrl }, text)
  }
  for (const text of [
    'mcp.example.com',
    'https://a.b?c',
    'https://a.b#c',
    'https://u:hidden@a.b',
    ''
  ]) {
    await mistake(t, ['x', '--public-url', text], /^--public-url needs a URL like https:/)
  }
  for (const host of ['0.0.0.0', '::', '0:0:0:0:0:0:0:0']) {
    const words = ['x', ...issuer, '--host', host]
    await mistake(
      t,
      words,
      `--auth-issuer needs --public-url too, because --host ${host} is no URL`
    )
    t.match(await server([...words, '--public-url', 'https://a.b']), { host })
  }
  t.match(await server(['x', ...issuer, '--host', '192.0.2.1']), { host: '192.0.2.1' })
})
