// The trace context of messages to a server at a URL: in `_meta`, or moved to the headers.

import t from 'tap'
import { notification, request } from '../helpers.ts'
import { overHttp, overSse, overUrl, sent } from './helpers.ts'
import type { HttpServer, RecordedRequest } from '../../fixtures/servers/http.js'

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const _meta = { traceparent, tracestate: 'a=b', baggage: 'c=d', more: 1 }

const postOf = (server: HttpServer, method: string): RecordedRequest | undefined =>
  sent(server, 'POST').find(({ message }) => message?.method === method)

for (const [name, over] of Object.entries({ overHttp, overSse, overUrl })) {
  t.test(`${name}: it moves to the headers if that is asked for`, async (t) => {
    for (const moveTraceContext of [true, false]) {
      const headers = { Traceparent: 'of-the-user', Baggage: 'of-the-user' }
      const { server, initialize, transport, answer, write } = await over(t, undefined, {
        moveTraceContext,
        headers
      })
      await initialize()
      transport.write(request(7, 'tools/list', { _meta }))
      await answer(7)
      await write(notification('notifications/roots/list_changed', { _meta }))
      for (const method of ['tools/list', 'notifications/roots/list_changed']) {
        const post = postOf(server, method)
        const params: unknown = post?.message.params
        t.strictSame(params, { _meta: moveTraceContext ? { more: 1 } : _meta })
        t.match(post?.headers, {
          traceparent: moveTraceContext ? traceparent : 'of-the-user',
          tracestate: moveTraceContext ? 'a=b' : undefined,
          baggage: moveTraceContext ? 'c=d' : 'of-the-user'
        })
      }
      t.equal(
        postOf(server, 'initialize')?.headers.traceparent,
        'of-the-user',
        'a message without one has none'
      )
    }
  })
}
