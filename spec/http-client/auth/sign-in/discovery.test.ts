// The discovery of the authorization server, and the limits of the requests for it.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import { describe } from '../../../../lib/errors.ts'
import {
  AuthRequests,
  publicLookup
} from '../../../../lib/http-client/auth/sign-in/auth-requests.ts'
import type { AuthRequestsOptions } from '../../../../lib/http-client/auth/sign-in/auth-requests.ts'
import { discover } from '../../../../lib/http-client/auth/sign-in/discovery.ts'
import type { Discovery } from '../../../../lib/http-client/auth/sign-in/discovery.ts'
import { isPrivate } from '../../../../lib/http-client/auth/sign-in/private-address.ts'

type Document = object | string | ((response: ServerResponse) => void)

interface Origin {
  origin: string
  /** The paths that were asked for, in order. */
  asked: string[]
  documents: Record<string, Document>
  find(path?: string, named?: string): Promise<Discovery>
  requests: AuthRequests
}

async function serve(t: Test, options?: Partial<AuthRequestsOptions>): Promise<Origin> {
  const asked: string[] = []
  const documents: Record<string, Document> = {}
  const server = createServer(({ url = '' }, response) => {
    asked.push(url)
    const document = documents[url]
    if (typeof document === 'function') {
      document(response)
      return
    }
    response.writeHead(document === undefined ? 404 : 200)
    response.end(typeof document === 'object' ? JSON.stringify(document) : document)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const requests = new AuthRequests({
    server: new URL(origin),
    agent: { env: {} },
    timeout: 2000,
    signal: new AbortController().signal,
    ...options
  })
  t.teardown(async () => {
    await requests.close()
    server.closeAllConnections()
    server.close()
  })
  const find = (path = '/mcp', named?: string): Promise<Discovery> =>
    discover(requests, new URL(path, origin), named)
  return { origin, asked, documents, find, requests }
}

const prm = '/.well-known/oauth-protected-resource'
const oauth = '/.well-known/oauth-authorization-server'
const oidc = '/.well-known/openid-configuration'

const issuerMetadata = (issuer: string): object => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  code_challenge_methods_supported: ['plain', 'S256']
})

async function failure(t: Test, work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    return describe(error)
  }
  t.fail('it should fail')
  return ''
}

test('the metadata of the resource is at the path of the server, else at the root', async (t) => {
  const { origin, asked, documents, find } = await serve(t)
  documents[prm] = { resource: origin, authorization_servers: [`${origin}/tenant`] }
  documents[`/tenant${oidc}`] = issuerMetadata(`${origin}/tenant`)
  const { resource, authorizationServer, scopes } = await find('/a/mcp')
  t.equal(resource, origin)
  t.equal(scopes, undefined)
  t.equal(authorizationServer.issuer, `${origin}/tenant`)
  t.strictSame(asked, [`${prm}/a/mcp`, prm, `${oauth}/tenant`, `${oidc}/tenant`, `/tenant${oidc}`])
})

test('the metadata that the challenge names is the only one that counts', async (t) => {
  const { origin, asked, documents, find } = await serve(t)
  t.match(await failure(t, find('/mcp', `${origin}/x`)), 'no metadata at the address that it named')
  documents['/x'] = {
    resource: `${origin}/mcp`,
    authorization_servers: [origin],
    scopes_supported: ['a']
  }
  documents[oidc] = issuerMetadata(origin)
  const { scopes } = await find('/mcp', `${origin}/x`)
  t.strictSame(scopes, ['a'])
  t.strictSame(asked, ['/x', '/x', oauth, oidc])
  t.match(await failure(t, find('/mcp', 'not a url')), 'an address that is not a URL')
})

test('a server of 2025-03-26 is its own authorization server', async (t) => {
  const { origin, documents, find } = await serve(t)
  const { authorizationServer, resource } = await find('/')
  t.equal(resource, origin)
  t.equal(authorizationServer.token_endpoint, `${origin}/token`)
  t.equal((await find('/mcp#part')).resource, `${origin}/mcp`)
  documents[oauth] = { ...issuerMetadata(origin), issuer: `${origin}/` }
  t.equal((await find()).authorizationServer.issuer, `${origin}/`)
})

test('metadata that is wrong is one clear error', async (t) => {
  const { origin, documents, find } = await serve(t)
  const resource = { resource: `${origin}/mcp`, authorization_servers: [origin] }
  const refuses = async (wanted: string | RegExp): Promise<void> => {
    t.match(await failure(t, find()), wanted)
  }
  for (const other of ['https://example.com/mcp', `${origin}/mc`, 'x', 5]) {
    documents[prm] = { ...resource, resource: other }
    await refuses(`the metadata of ${origin}/mcp is for another resource`)
  }
  for (const servers of [undefined, [], [5], ['x']]) {
    documents[prm] = { ...resource, authorization_servers: servers }
    await refuses('names no authorization server')
  }
  for (const text of ['<html>', '[]', 'null', '']) {
    documents[prm] = text
    await refuses(`the metadata at ${origin}${prm} is not a JSON object`)
  }
  documents[prm] = resource
  await refuses(`the authorization server ${origin}/ has no metadata`)
  documents[oauth] = issuerMetadata(`${origin}/`)
  await refuses('is of another issuer')
  documents[oauth] = { ...issuerMetadata(origin), token_endpoint: undefined }
  await refuses('has no token_endpoint')
  documents[oauth] = { ...issuerMetadata(origin), token_endpoint: 'file:///a' }
  await refuses('has no token_endpoint')
  for (const registration_endpoint of [5, '', 'x', 'javascript:1']) {
    documents[oauth] = { ...issuerMetadata(origin), registration_endpoint }
    await refuses('has a wrong registration_endpoint')
  }
  documents[oauth] = { ...issuerMetadata(origin), code_challenge_methods_supported: 'S256' }
  await refuses('has a wrong code_challenge_methods_supported')
  documents[oauth] = (response) => response.writeHead(500).end()
  await refuses(`${origin}${oauth} answered 500`)
  documents[oauth] = (response) => response.writeHead(999).end('{}')
  await refuses(`${origin}${oauth} answered 999`)
  documents[oauth] = (response) => response.writeHead(205).end('{}')
  await refuses(`${origin}${oauth} answered 205`)
})

test('redirects stay on the origin, and are few', async (t) => {
  const { origin, documents, find } = await serve(t)
  const to =
    (location: string) =>
    (response: ServerResponse): void =>
      void response.writeHead(302, { location }).end()
  documents['/here'] = { resource: origin, authorization_servers: [origin] }
  documents[oauth] = issuerMetadata(origin)
  documents[prm] = to('/here')
  t.equal((await find()).resource, origin)
  documents[prm] = to(prm)
  t.match(await failure(t, find()), 'redirects too often')
  documents[prm] = to('https://example.com/x?secret')
  const text = await failure(t, find())
  t.match(text, `${origin}${prm} redirects to another origin, https://example.com`)
  t.notMatch(text, 'secret')
  documents[prm] = (response) => response.writeHead(302).end()
  t.match(await failure(t, find()), 'answered 302')
})

test('an abort ends a request with its reason', async (t) => {
  const controller = new AbortController()
  const { documents, find } = await serve(t, { signal: controller.signal, timeout: 0 })
  documents[prm] = () => controller.abort(new Error('stop'))
  t.equal(await failure(t, find()), 'stop')
})

test('responses have a limit of size and of time', async (t) => {
  const { documents, find } = await serve(t, { timeout: 200 })
  documents[prm] = 'x'.repeat(256 * 1024 + 1)
  t.match(await failure(t, find()), 'is over 262144 bytes')
  documents[prm] = (response) => response.write('{')
  t.match(await failure(t, find()), 'did not answer in time')
  documents[prm] = (response) => response.destroy()
  t.match(await failure(t, find()), 'cannot reach')
})

test('a server with https takes no address with http', async (t) => {
  const { requests } = await serve(t, { server: new URL('https://192.0.2.1') })
  const send = requests.send('http://192.0.2.1/x?y', { method: 'GET' })
  t.match(await failure(t, send), 'http://192.0.2.1/x does not use https')
  const other = await serve(t)
  t.match(await failure(t, other.requests.send('ftp://127.0.0.1/', { method: 'GET' })), 'https')
})

test('a public server cannot lead the proxy to a private address', async (t) => {
  const server = new URL('http://192.0.2.1')
  const { origin, asked, requests } = await serve(t, { server })
  for (const url of [origin, origin.replace('127.0.0.1', 'localhost'), 'http://[::1]/']) {
    t.match(await failure(t, requests.send(url, { method: 'GET' })), 'has a private address')
  }
  t.strictSame(asked, [])
  await t.rejects(requests.send('http://name.invalid/', { method: 'GET' }), { code: 'ERR_TOKEN' })
})

test('the addresses of a name are checked when the connection opens', async (t) => {
  const look = (host: string, all: boolean): Promise<unknown[]> =>
    new Promise((resolve) => publicLookup(host, { all }, (...found) => resolve(found)))
  t.match((await look('localhost', true))[0], { code: 'ERR_TOKEN' })
  t.match(await look('192.0.2.1', true), [null, [{ address: '192.0.2.1', family: 4 }]])
  t.match(await look('192.0.2.1', false), [null, '192.0.2.1', 4])
  t.match((await look('name.invalid', true))[0], Error)
})

test('private addresses are known in all their forms', (t) => {
  const privates =
    '127.0.0.1 10.1.2.3 172.31.0.1 192.168.0.1 169.254.169.254 100.64.0.1 0.0.0.0 [::1] [fd00::1] ' +
    '[fe80::1] [::ffff:127.0.0.1] [::ffff:7f00:1] localhost a.LOCALHOST localhost.'
  for (const host of privates.split(' ')) t.equal(isPrivate(host), true, host)
  for (const host of ['8.8.8.8', '[2606:4700::1]', 'example.com', 'notlocalhost', '172.32.0.1']) {
    t.equal(isPrivate(host), false, host)
  }
  t.end()
})
