// The warning for a listener without authorization.

import { test } from 'tap'
import { exposureOf } from '../../../lib/http-server/auth/exposure.ts'

test('there is no warning if only programs of this machine can use the servers', async (t) => {
  for (const host of [
    '127.0.0.1',
    '127.1.2.3',
    '::1',
    '::ffff:127.0.0.1',
    'localhost',
    'LocalHost'
  ])
    t.equal(exposureOf(host, ['https://example.com']), undefined, host)
})

test('the warning says who else can use the servers, and names the flag to add', async (t) => {
  const end = 'can use the servers without a token: add --auth-token-file FILE'
  for (const host of [
    '0.0.0.0',
    '::',
    '192.0.2.1',
    'fe80::1%lo',
    'example.com',
    'localhost.example'
  ])
    t.equal(exposureOf(host, []), `everyone who reaches ${host} ${end}`)
  t.equal(exposureOf('127.0.0.1', ['https://a.example', '*']), `every web page ${end}`)
  t.equal(exposureOf('::', ['*']), `everyone who reaches :: and every web page ${end}`)
})
