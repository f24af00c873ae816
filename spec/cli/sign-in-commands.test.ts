// The subcommands for the tokens that all processes share.

import t from 'tap'
import { browse, startAuthorizationServer } from '../../fixtures/servers/authorization.js'
import { run } from './process.ts'

t.test('login stores tokens, tokens lists them without secrets, logout removes them', async (t) => {
  const server = await startAuthorizationServer()
  t.teardown(() => server.close())
  const env = { XDG_CONFIG_HOME: t.testdir({}) }
  const call = async (line: string): Promise<[number, string]> => {
    const { code, messages, log } = run(t, line, env)
    void log
      .until((text: string) => text.includes('to sign in'))
      .then(
        (text = '') =>
          text === '' ? undefined : browse(new URL(text.slice(text.indexOf('http')))),
        () => {}
      )
    const exit = await code
    return [exit, messages.join('\n') || log.join('\n')]
  }
  const { href, origin } = server.url
  t.strictSame(await call('tokens'), [0, 'no tokens'])
  t.strictSame(await call(`login ${href} --no-browser`), [0, `signed in at ${origin}`])
  const [, list] = await call('tokens')
  t.match(list, `${href}  from ${origin}  scope: read  until `)
  t.match(list, ', can be refreshed')
  t.notMatch(list, /access-|refresh-[0-9a-f]/)
  t.strictSame(await call(`logout ${href}`), [0, `signed out at ${origin}`])
  t.strictSame(await call(`logout ${href}`), [0, `not signed in at ${origin}`])
  server.script.token = { refresh_token: undefined, expires_in: undefined }
  server.script.resource = { scopes_supported: undefined }
  await call(`login ${href} --no-browser`)
  t.strictSame(await call('tokens'), [0, `${href}  from ${origin}  scope: none  no end`])
  const [code, error] = await call(`login ${href} -H Authorization x`)
  t.equal(code, 2)
  t.match(error, 'login and logout take no other credentials')
})
