// What goes wrong in a sign-in, in client mode: each fault ends in one line for the person and one error
// for the client, and no secret is in either, nor in the log at any level.

import { mkdirSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { browse, startAuthorizationServer } from '../../fixtures/servers/authorization.js'
import type {
  AuthorizationFixture,
  AuthorizationScript
} from '../../fixtures/servers/authorization.js'
import { storeName } from '../../lib/http-client/auth/sign-in/store-folder.ts'
import { run } from './process.ts'

const secrets = /access-|refresh-|code-|secret-|hidden|client_assertion/

interface Fault {
  script?: AuthorizationScript
  flags?: string[]
  /** What the file of tokens holds. */
  stored?: string
  /** Comes in place of the person. */
  person?: (url: URL, server: AuthorizationFixture) => void
  says: string | RegExp
}

const byPath =
  (path: string, status: number, body: string, headers: Record<string, string> = {}) =>
  (_req: unknown, res: ServerResponse, { pathname }: URL): boolean => {
    if (pathname !== path) return false
    res.writeHead(status, headers).end(body)
    return true
  }

const metadata = '/.well-known/oauth-authorization-server'
const faults: Record<string, Fault> = {
  'metadata that is not JSON': {
    script: { handle: byPath(metadata, 200, '<p>hidden') },
    says: 'is not a JSON object'
  },
  'metadata that is too large': {
    script: { handle: byPath(metadata, 200, 'hidden'.repeat(100_000)) },
    says: 'is over 262144 bytes'
  },
  'metadata that never comes': {
    script: { handle: (_req, _res, { pathname }) => pathname === metadata },
    flags: ['--connect-timeout', '300ms'],
    says: 'did not answer in time'
  },
  'metadata that redirects to another origin': {
    script: { handle: byPath(metadata, 302, '', { location: 'http://127.0.0.1:1/?hidden' }) },
    says: 'redirects to another origin'
  },
  'an issuer that differs by a slash': {
    script: { metadata: { issuer: 'http://127.0.0.1/' } },
    says: 'is of another issuer'
  },
  'a wrong state, and then nothing': {
    person: (url) => {
      const back = url.searchParams.get('redirect_uri') as string
      void browse(new URL(`${back}?state=hidden&code=code-1`)).catch(() => {})
    },
    flags: ['--login-timeout', '500ms'],
    says: 'nobody signed in within 0.5 s (see --login-timeout)'
  },
  'an answer with an error': {
    script: { answer: { code: undefined, error: 'access_denied' } },
    says: 'the authorization server refused: access_denied'
  },
  'a token that is no bearer token': {
    script: { token: { token_type: 'mac' } },
    says: 'the authorization server refused'
  },
  'an error of the token endpoint that repeats the code': {
    script: { token: { access_token: 5 } },
    says: 'the authorization server refused'
  },
  'a store that is damaged': { stored: '{"accessToken":"access-1"', says: 'is damaged' },
  'a store of a newer release': {
    stored: '{"schema":99,"grant":{"accessToken":"access-1"}}',
    says: 'a newer mcp-proxy wrote'
  },
  'a store that cannot be written': { stored: '', says: /cannot (read|write) the tokens in/ }
}

async function runWith(t: Test, fault: Fault): Promise<[messages: unknown[], log: string[]]> {
  const {
    script,
    flags = [],
    stored,
    person = (url: URL) => void browse(url).catch(() => {})
  } = fault
  const server = await startAuthorizationServer(script)
  t.teardown(() => server.close())
  const folder = t.testdir({})
  if (stored === '') writeFileSync(join(folder, 'mcp-duplex'), '')
  else if (stored !== undefined) {
    mkdirSync(join(folder, 'mcp-duplex'))
    writeFileSync(join(folder, 'mcp-duplex', `${storeName(server.url, '')}.json`), stored)
  }
  const words = ['--debug', '--no-browser', ...flags, server.url.href]
  const { say, stdin, messages, log, code } = run(t, words, { XDG_CONFIG_HOME: folder })
  void log
    .until((line: string) => line.includes('to sign in'))
    .then((line) => {
      if (line !== undefined) person(new URL(line.slice(line.indexOf('http'))), server)
    })
  say({ id: 1, method: 'initialize', params: {} })
  await messages.until(() => true)
  stdin.end()
  await code
  return [[...messages], [...log]]
}

for (const [name, fault] of Object.entries(faults)) {
  t.test(`one line and one error for ${name}`, async (t) => {
    const [messages, log] = await runWith(t, fault)
    t.match(messages, [{ id: 1, error: { message: fault.says } }])
    t.equal(messages.length, 1)
    const lines = log.filter((line) => /cannot|damaged|newer/.test(line))
    t.equal(lines.length, 1, log.join('\n'))
    t.match(lines[0], fault.says)
    t.notMatch(JSON.stringify(messages), secrets)
    t.notMatch(log.join('\n'), secrets)
  })
}
