// The authorization that a configuration asks for.

import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { openAuth } from '../../lib/cli/open-auth.ts'
import { findFaults } from '../../lib/cli/check.ts'
import type { AccessRules } from '../../lib/http-server/auth/auth.ts'
import { silent } from '../../lib/log.ts'
import { listenLocally } from '../helpers.ts'
import { around, server } from './parse.ts'

const issuer = ['--auth-issuer', 'https://auth.example.com']

t.test('fixed tokens and issuers count together', async (t) => {
  const env = { ...around, MCP_PROXY_AUTH_TOKEN: 'fixed' }
  const auth = openAuth(await server(['x', ...issuer, '--auth-scope', 'default=a'], env), silent)
  t.match(await auth?.check('fixed'), { principal: 'default' })
  t.equal(await auth?.check('other'), undefined)
  const { issuers, scopesOf } = auth?.rules as AccessRules
  t.strictSame(issuers, ['https://auth.example.com'])
  t.strictSame(scopesOf(''), ['a'])
  const own = openAuth(await server(['x', ...issuer]), silent)
  t.equal(await own?.check('fixed'), undefined)
})

t.test('the credentials are those of the file', async (t) => {
  const file = `${t.testdir({ secret: 'proxy:s3:cret\n' })}/secret`
  const asked: unknown[] = []
  const http = createServer((request, response) => {
    void text(request).then((form) => {
      asked.push(request.headers.authorization, form)
      response.end('{"active":true,"sub":"alice"}')
    })
  })
  const url = `http://127.0.0.1:${await listenLocally(t, http)}/introspect`
  const words = ['x', ...issuer, '--auth-introspection', url, '--auth-introspection-file', file]
  const auth = openAuth(await server(words), silent)
  t.match(await auth?.check('opaque'), { principal: 'https://auth.example.com#alice' })
  const basic = `Basic ${Buffer.from('proxy:s3%3Acret').toString('base64')}`
  t.strictSame(asked, [basic, 'token=opaque&token_type_hint=access_token'])
})

t.test('wrong credentials and limits are faults that show no secret', async (t) => {
  const directory = t.testdir({ secret: '' })
  const file = `${directory}/secret`
  const url = 'https://auth.example.com/introspect'
  const words = [process.execPath, ...issuer, '--auth-introspection', url]
  const withFile = [...words, '--auth-introspection-file', file]
  for (const text of ['s3cret', ':s3cret', 's3cret:', 'a b:s3cret', 'a:s3cret word', '']) {
    writeFileSync(file, text)
    t.strictSame(findFaults(await server(withFile)), [`${file}: write CLIENT_ID:SECRET`], text)
  }
  t.strictSame(findFaults(await server(words, { ...around, MCP_PROXY_INTROSPECTION: 's3cret' })), [
    'MCP_PROXY_INTROSPECTION: write CLIENT_ID:SECRET'
  ])
  t.match(findFaults(await server([...words, '--auth-introspection-file', `${file}x`])), [
    new RegExp(`^cannot read ${file}x: ENOENT`)
  ])
  const skew = [process.execPath, ...issuer, '--clock-skew']
  t.strictSame(findFaults(await server([...skew, '11m'])), [
    'the clock skew can be 10 minutes at most'
  ])
  t.strictSame(findFaults(await server([...skew, '10m'])), [])
})
