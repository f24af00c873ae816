// The URLs that a secret may be sent to.

import t from 'tap'
import { isSafeUrl } from '../../../lib/http-server/auth/safe-url.ts'

const safe = [
  'https://auth.example.com',
  'http://localhost:1/a',
  'http://LOCALHOST',
  'http://127.0.0.1',
  'http://127.9.8.7:80',
  'http://2130706433',
  'http://[::1]',
  'http://[0:0:0:0:0:0:0:1]',
  'http://[::ffff:127.0.0.1]'
]
const others = [
  'http://auth.example.com',
  'http://10.0.0.1',
  'http://128.0.0.1',
  'http://127.0.0.1.example.com',
  'http://localhost.example.com',
  'http://127.example',
  'http://[::2]',
  'http://[::ffff:128.0.0.1]',
  'http://[::7f00:1]',
  'ftp://localhost',
  'file:///a',
  'data:,localhost'
]

t.test('https and this machine are safe', async (t) => {
  for (const text of safe) t.ok(isSafeUrl(new URL(text)), text)
})

t.test('all other URLs are not', async (t) => {
  for (const text of others) t.notOk(isSafeUrl(new URL(text)), text)
})
