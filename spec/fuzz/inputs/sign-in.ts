// Makes what a hostile server and its authorization server say during a sign-in: the challenge, the
// metadata of both, the registration, and the tokens.

import type { Random } from '../../interop/random-json.ts'
import { chance, mutate, pick, size } from './bytes.ts'
import { nextResponse } from './http.ts'
import { deep, randomValue } from './messages.ts'
import { challenge, secret } from './words.ts'

/** An input has this text where the origin of the server belongs. */
export const originMark = 'ORIGIN-OF-THE-SERVER'

/** None of them leaves this machine, or needs a name server. */
const urls = [
  `"${originMark}/a"`,
  `"${originMark}/a"`,
  `"${originMark}"`,
  `"${originMark}/mcp"`,
  `"${originMark}:80/"`,
  '"http://127.0.0.1:1/a"',
  '"https://127.0.0.1:1/"',
  '"http://["',
  '"file:///etc/passwd"',
  '"javascript:alert(1)"',
  '""',
  '"a\\r\\nb"',
  `"http://${secret}:${secret}@127.0.0.1:1/"`
]

const texts = ['"a b"', '""', '"é\\u0000"', '"a\\r\\nX: y"', `"${'x'.repeat(5000)}"`, '"openid"']
const lists = ['["S256"]', '["S256","plain"]', '[]', '[1]', '"S256"', '["offline_access"]']

type Members = Record<string, readonly string[]>

const resource: Members = {
  resource: [`"${originMark}/mcp"`],
  authorization_servers: [`["${originMark}"]`, '[]', '["http://["]', `["${originMark}/path"]`],
  scopes_supported: ['["a","b"]', ...lists]
}

const issuer: Members = {
  issuer: [`"${originMark}"`],
  authorization_endpoint: urls,
  token_endpoint: [`"${originMark}/token"`, ...urls],
  registration_endpoint: [`"${originMark}/register"`, ...urls],
  device_authorization_endpoint: [`"${originMark}/device"`, ...urls],
  code_challenge_methods_supported: ['["S256"]', '["S256"]', ...lists],
  token_endpoint_auth_methods_supported: [
    '["none"]',
    '["client_secret_basic"]',
    '["client_secret_post"]',
    ...lists
  ],
  grant_types_supported: ['["authorization_code"]', '["client_credentials"]', ...lists],
  scopes_supported: lists,
  authorization_response_iss_parameter_supported: ['true', 'false']
}

const registration: Members = {
  client_id: ['"client"', ...texts],
  client_secret: [`"${secret}"`, ...texts],
  client_secret_expires_at: ['0', '1', '-1', '1e400', '99999999999'],
  redirect_uris: ['[]', `[${urls.join()}]`]
}

const tokens: Members = {
  access_token: ['"token"', '"token"', ...texts],
  token_type: ['"bearer"', '"Bearer"', '"dpop"', '""'],
  expires_in: ['60', '0', '-1', '1e400', '"60"'],
  refresh_token: ['"refresh"', ...texts],
  scope: texts,
  id_token: ['"a.b.c"', '"e30.e30."']
}

const device: Members = {
  device_code: [`"${secret}"`],
  user_code: ['"ABCD"', ...texts],
  verification_uri: urls,
  verification_uri_complete: urls,
  expires_in: ['600', '0', '-1', '1e400'],
  interval: ['1', '0', '-1', '1e400', '"5"']
}

const refusal: Members = {
  error: ['"invalid_client"', '"invalid_grant"', '"authorization_pending"', ...texts],
  error_description: [`"${secret}\\r\\n no"`, ...texts],
  error_uri: urls
}

function document(random: Random, members: Members): string {
  if (chance(random, 0.03)) return chance(random, 0.5) ? deep(random) : randomValue(random)
  const written = Object.entries(members)
    .filter(() => chance(random, 0.95))
    .map(([name, values]) => {
      const usual = chance(random, 0.6) ? (values[0] as string) : pick(random, values)
      return `"${name}":${chance(random, 0.95) ? usual : randomValue(random)}`
    })
  return `{${written.join()}}`
}

const statuses = ['400', '401', '403', '404', '500', '204', '205', '302', '304', '307', '999']

function answer(random: Random, members: Members, status = '200'): Buffer {
  const isRefusal = chance(random, 0.1)
  const text = document(random, isRefusal ? refusal : members)
  const code = isRefusal ? '400' : chance(random, 0.95) ? status : pick(random, statuses)
  const bytes = Buffer.from(text)
  return Buffer.concat([
    Buffer.from(`${code}\n`),
    chance(random, 0.15) ? mutate(random, bytes, 2) : bytes
  ])
}

/**
 * The way to sign in, the challenge, and the answers that the requests get, one after another. An answer
 * is a status and a body, with a line break between them.
 */
export function signInAnswers(random: Random): Buffer {
  const kind = pick(random, ['code', 'code', 'code secret', 'self', 'device'])
  const usual = `Bearer resource_metadata="${originMark}/.well-known/a", scope="a b"`
  const first = chance(random, 0.6) ? Buffer.from(usual) : challenge(random)
  const parts = [Buffer.from(kind), first]
  parts.push(answer(random, resource), answer(random, issuer))
  if (!kind.includes('s')) parts.push(answer(random, registration, '201'))
  if (kind === 'device') parts.push(answer(random, device))
  else for (let left = size(random, 3); left > 0; left--) parts.push(answer(random, tokens))
  return Buffer.concat(parts.flatMap((part, at) => (at === 0 ? [part] : [nextResponse, part])))
}
