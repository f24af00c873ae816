// The authorization that a configuration asks for.

import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { openAuth } from '../../lib/cli/open-auth.ts'
import { findFaults } from '../../lib/cli/check.ts'
import type { AccessRules } from '../../lib/http-server/auth/auth.ts'
import { silent } from '../../lib/log.ts'
import { fixture, listenLocally } from '../helpers.ts'
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

t.test('issuers are reached with the TLS settings and the HTTP proxy of the proxy', async (t) => {
  const identity = {
    cert: readFileSync(fixture('tls/server.pem')),
    key: readFileSync(fixture('tls/server-key.pem'))
  }
  const http = createSecureServer(identity, (request, response) => {
    request.resume()
    response.end('{"active":true,"sub":"alice"}')
  })
  const url = `https://127.0.0.1:${await listenLocally(t, http)}/introspect`
  const words = ['x', ...issuer, '--auth-introspection', url]
  const env = { ...around, MCP_PROXY_INTROSPECTION: 'proxy:s3cret' }
  const check = async (...more: string[]): Promise<unknown> => {
    const config = await server([...words, ...more], env)
    t.strictSame(config.warnings, [])
    const auth = openAuth(config, silent)
    return auth?.check('opaque')
  }
  t.match(await check('--ca', fixture('tls/ca.pem')), { principal: /#alice$/ })
  t.match(await check('--verify-ssl', fixture('tls/ca.pem')), { principal: /#alice$/ })
  await t.rejects(check(), { code: 'ERR_ISSUER' })
  await t.rejects(check('--no-verify-ssl'), { code: 'ERR_ISSUER' }, 'who could let anyone in')
  const seen: unknown[] = []
  const proxy = createServer().on('connect', ({ url }, socket) => {
    seen.push(url)
    socket.end('HTTP/1.1 403 No\r\n\r\n')
  })
  const port = await listenLocally(t, proxy)
  t.intercept(process, 'env', { value: { HTTPS_PROXY: `http://127.0.0.1:${port}` } })
  await t.rejects(check('--ca', fixture('tls/ca.pem')), { code: 'ERR_ISSUER' })
  t.equal(seen[0], new URL(url).host)
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
