// What --traces and --trace-context do with messages.

import t from 'tap'
import { openTraces } from '../../../lib/cli/watchers/open-traces.ts'
import { silent } from '../../../lib/log.ts'
import { moveToMeta } from '../../../lib/message/trace-context.ts'
import { request } from '../../helpers.ts'

const options = { log: silent }

t.test('without the flags, messages stay as they are', async (t) => {
  t.equal(await openTraces({ traces: false, traceContext: 'keep' }, options), undefined)
})

t.test('`move` alone moves the context', async (t) => {
  const open = await openTraces({ traceContext: 'move' }, options)
  t.equal(open?.trace, moveToMeta)
  await open?.close()
})

t.test('traces look at each message, and change it only with `move`', async (t) => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const frame = request(1, 'ping')
  const kept = await openTraces({ traces: true, traceContext: 'keep' }, options)
  t.equal(kept?.trace(frame, { traceparent }), frame)
  const moved = await openTraces({ traces: true, traceContext: 'move' }, options)
  t.match(moved?.trace(frame, { traceparent }).message(), { params: { _meta: { traceparent } } })
})
