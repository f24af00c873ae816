// The library's names.

import t from 'tap'
import * as library from '../lib/index.ts'

t.test('these are the names, and no others', async (t) => {
  t.strictSame(Object.keys(library).sort(), [
    'BodyParser',
    'Frame',
    'NewlineParser',
    'ProxyError',
    'SseParser',
    'acceptStdio',
    'asLegacy',
    'asModern',
    'audit',
    'clientCredentials',
    'connectChild',
    'connectHttp',
    'connectSse',
    'connectUrl',
    'encodeEvent',
    'encodeLines',
    'filter',
    'issuerAuth',
    'join',
    'limits',
    'listen',
    'login',
    'makeFrame',
    'metrics',
    'moveToMeta',
    'parseBody',
    'parseFrame',
    'prewarm',
    'reconnect',
    'record',
    'share',
    'shareSessions',
    'tokenAuth',
    'traces'
  ])
})
