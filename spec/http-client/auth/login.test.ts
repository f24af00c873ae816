// A login with a user name and a password. The server side of Digest is written here once more, from
// RFC 7616, so that it shares no mistake with the proxy.

import { createHash } from 'node:crypto'
import { test } from 'tap'
import { login } from '../../../lib/http-client/auth/login.ts'
import { overHttp, overSse } from '../helpers.ts'

const request = { method: 'GET', url: new URL('http://a/dir/index.html?x=1') }

/** The parameters of a header `Authorization: Digest …`. */
function read(header: string | undefined): Record<string, string> {
  const text = Buffer.from(header ?? '', 'latin1').toString()
  const pairs = text.matchAll(/(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))/g)
  return Object.fromEntries(
    [...pairs].map(([, name, quoted, plain]) => [name, plain ?? quoted?.replace(/\\(.)/g, '$1')])
  )
}

const hash = (algorithm: string, ...parts: (string | undefined)[]): string =>
  createHash(algorithm).update(parts.join(':')).digest('hex')

/** Whether the header proves that its sender knows the password. */
function proves(
  header: string | undefined,
  { method, algorithm, user, password }: Record<string, string>
): boolean {
  const { realm, nonce, uri, response, nc, cnonce, qop, algorithm: named = '' } = read(header)
  let key = hash(algorithm as string, user, realm, password)
  if (named.endsWith('-sess')) key = hash(algorithm as string, key, nonce, cnonce)
  const target = hash(algorithm as string, method, uri)
  const parts = qop === undefined ? [nonce] : [nonce, nc, cnonce, qop]
  return response === hash(algorithm as string, key, ...parts, target)
}

test('Basic sends the user name and the password', async (t) => {
  const basic = login({ username: 'Aladdin', password: 'open sesame' })
  t.equal(await basic.authorize(request), 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==')
  t.notOk(basic.refused('Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==', {}), 'a refusal is final')
  const unicode = login({ username: 'é', password: '€' })
  t.equal(await unicode.authorize(request), `Basic ${Buffer.from('é:€').toString('base64')}`)
})

test('Digest answers the challenge of the server', async (t) => {
  const nonce = '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v'
  const common = `realm="http-auth@example.org", nonce="${nonce}", opaque="FQhe/q\\"aU", stale=false`
  const cases: [challenge: string, algorithm: string, more: object][] = [
    [`Digest ${common}`, 'md5', { qop: undefined, nc: undefined, cnonce: undefined }],
    [`Digest ${common}, qop="auth, auth-int"`, 'md5', { algorithm: undefined, qop: 'auth' }],
    [`digest ${common}, qop=auth, algorithm=MD5-sess`, 'md5', { algorithm: 'MD5-sess' }],
    [`Digest ${common}, algorithm=MD5-sess`, 'md5', { qop: undefined }],
    [`Digest ${common}, qop="auth", algorithm=SHA-256`, 'sha256', { algorithm: 'SHA-256' }],
    [`Digest ${common}, qop="auth", algorithm=SHA-256-sess`, 'sha256', {}],
    [`Digest ${common}, qop="auth", algorithm=SHA-512-256`, 'sha512-256', {}]
  ]
  for (const [challenge, algorithm, more] of cases) {
    const digest = login({ username: 'Mufasa', password: 'Circle "of" Life', digest: true })
    t.equal(await digest.authorize(request), undefined, 'the proxy does not know a nonce yet')
    t.ok(digest.refused(undefined, { 'www-authenticate': challenge }), challenge)
    for (const count of ['00000001', '00000002']) {
      const header = await digest.authorize(request)
      const about = { method: 'GET', algorithm, user: 'Mufasa', password: 'Circle "of" Life' }
      t.ok(proves(header, about), `${header}`)
      const found = read(header)
      t.match(found, { username: 'Mufasa', uri: '/dir/index.html?x=1', opaque: 'FQhe/q"aU' })
      if (found.qop !== undefined) t.equal(found.nc, count)
      for (const [name, value] of Object.entries(more)) t.equal(found[name], value, name)
    }
  }
})

test('Digest can hide the user name, and sends UTF-8', async (t) => {
  const digest = login({ username: 'Jäsøn Doe', password: 'Secret, or not?', digest: true })
  const base = 'Digest realm="api@example.org", nonce="n", qop="auth", algorithm=SHA-256'
  digest.refused(undefined, { 'www-authenticate': base })
  t.equal(read(await digest.authorize(request)).username, 'Jäsøn Doe')
  digest.refused(undefined, { 'www-authenticate': `${base}, charset=UTF-8, userhash=true` })
  const header = await digest.authorize(request)
  t.match(read(header), {
    username: hash('sha256', 'Jäsøn Doe', 'api@example.org'),
    userhash: 'true'
  })
  const about = { algorithm: 'sha256', user: 'Jäsøn Doe', password: 'Secret, or not?' }
  t.ok(proves(header, { method: 'GET', ...about }))
})

test('Digest takes the best algorithm that the server offers', async (t) => {
  const digest = login({ username: 'a', password: 'b', digest: true })
  const offers = [
    'Basic realm="r"',
    'Digest realm="r", nonce="1", qop="auth", algorithm=MD5',
    'Digest realm="r", nonce="2", qop="auth-int", algorithm=SHA-256',
    'Digest realm="r", nonce="3", qop="auth", algorithm=SHA-256',
    'Digest realm="r", nonce="4", qop="auth", algorithm=BETTER'
  ]
  t.ok(digest.refused(undefined, { 'www-authenticate': offers.join(', ') }))
  t.match(read(await digest.authorize(request)), { nonce: '3' })
})

test('a refusal is final if the nonce was new, or if the server offers no known digest', async (t) => {
  const digest = login({ username: 'a', password: 'wrong', digest: true })
  const challenge = (nonce: string, more = '') => ({
    'www-authenticate': `Digest realm="r", nonce="${nonce}", qop="auth"${more}`
  })
  for (const header of [
    undefined,
    'Basic realm="r"',
    'Digest realm="r"',
    'Digest nonce=1, qop=x'
  ]) {
    t.notOk(digest.refused(undefined, header === undefined ? {} : { 'www-authenticate': header }))
  }
  t.ok(digest.refused(undefined, challenge('1')))
  const first = await digest.authorize(request)
  t.ok(digest.refused(first, challenge('2', ', stale=TRUE')), 'the nonce is stale')
  const second = await digest.authorize(request)
  t.match(read(second), { nonce: '2', nc: '00000001' })
  t.ok(digest.refused(first, challenge('3')), 'the nonce of this request was an older one')
  const third = await digest.authorize(request)
  t.notOk(digest.refused(third, challenge('4')), 'the password is wrong')
  t.equal(await digest.authorize(request), undefined, 'the next request asks for a nonce again')
  t.ok(digest.refused(third, { 'www-authenticate': 'Digest nonce="5"' }), 'as this one does')
  t.match(read(await digest.authorize(request)), { realm: '', nonce: '5' })
})

test('both transports log in with Digest, and POST again after a stale nonce', async (t) => {
  const about = { algorithm: 'sha256', user: 'me', password: 'p' }
  for (const connect of [overHttp, overSse]) {
    let nonce = 1
    const guard = (exchange: {
      req: { method?: string; headers: { authorization?: string } }
      status: (code: number, text?: string, headers?: Record<string, string>) => void
      byDefault: () => void
    }): void => {
      const { method = '', headers } = exchange.req
      const given = headers.authorization
      const isRight = proves(given, { ...about, method }) && read(given).nonce === String(nonce)
      if (isRight) return exchange.byDefault()
      const stale = read(given).nonce !== undefined
      const challenge = `Digest realm="r", nonce="${nonce}", qop="auth", algorithm=SHA-256, stale=${stale}`
      exchange.status(401, '', { 'www-authenticate': challenge })
    }
    const script = {
      onPost: (_message: unknown, exchange: Parameters<typeof guard>[0]) => guard(exchange),
      onMessage: (_message: unknown, exchange: Parameters<typeof guard>[0]) => guard(exchange)
    }
    const credentials = login({ username: 'me', password: 'p', digest: true })
    const { initialize, ask } = await connect(t, script as never, { credentials })
    await initialize()
    t.match(await ask('tools/list'), { result: {} })
    nonce++
    t.match(await ask('tools/list'), { result: {} })
    t.match(await Promise.all([ask('tools/list'), ask('ping')]), [{ result: {} }, { result: {} }])
  }
})
