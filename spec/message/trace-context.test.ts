// The trace context of a message: in `_meta`, in headers, and moved between them.

import t from 'tap'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import {
  chosen,
  contextIn,
  contextOf,
  moveToHeaders,
  moveToMeta,
  parseParent
} from '../../lib/message/trace-context.ts'

const [one, two] = ['4bf92f3577b34da6a3ce929d0e0e4736', '0af7651916cd43dd8448eb211c80319c']
const span = '00f067aa0ba902b7'
const parent = (trace = one, flags = '01', id = span): string => `00-${trace}-${id}-${flags}`
const tracestate = 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE'
const baggage = 'userId=alice'

t.test('a traceparent is read as its specification says', async (t) => {
  t.strictSame(parseParent(parent()), { traceId: one, spanId: span, flags: 1 })
  t.strictSame(parseParent(`cc-${one}-${span}-00-more`), { traceId: one, spanId: span, flags: 0 })
  for (const text of [
    undefined,
    '',
    `ff-${one}-${span}-01`,
    `00-${one}-${span}-01-more`,
    `00-${one}-${span}-01x`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${one}-${'0'.repeat(16)}-01`,
    `00-${one.toUpperCase()}-${span}-01`,
    `${parent()}, ${parent()}`
  ]) {
    t.equal(parseParent(text), undefined, String(text))
  }
})

t.test('only well-formed values count', async (t) => {
  const all = { traceparent: parent(), tracestate, baggage }
  t.strictSame(contextOf({ ...all, host: 'a' }), all)
  t.strictSame(contextOf({ traceparent: [parent()], tracestate }), {})
  t.strictSame(contextOf({ traceparent: 'x', tracestate, baggage }), { baggage })
  const long = 'x'.repeat(513)
  t.strictSame(contextOf({ traceparent: parent(), tracestate: long }), { traceparent: parent() })
  t.strictSame(contextOf({ traceparent: `cc-${one}-${span}-00-${long}` }), {})
  t.strictSame(contextOf({ baggage: 'x'.repeat(8192) }), { baggage: 'x'.repeat(8192) })
  for (const wrong of ['x'.repeat(8193), 'é', 'a\nb', '']) {
    t.strictSame(contextOf({ baggage: wrong }), {})
  }
})

const frameOf = (params: string, id = '"id":1,'): ReturnType<typeof parseFrame> =>
  parseFrame(Buffer.from(`{"jsonrpc":"2.0",${id}"method":"m"${params}}`))

t.test('`_meta` has a context if its values are texts', async (t) => {
  const context = { traceparent: parent(), baggage }
  t.strictSame(contextIn(frameOf(`,"params":{"_meta":${JSON.stringify(context)}}`)), context)
  for (const params of ['', ',"params":{}', ',"params":{"_meta":7}', ',"params":[]']) {
    t.strictSame(contextIn(frameOf(params)), {})
  }
  t.strictSame(contextIn(frameOf(',"params":{"_meta":{"traceparent":7,"baggage":["a"]}}')), {})
  const huge = JSON.stringify({ baggage: 'x'.repeat(20_000) })
  t.strictSame(contextIn(frameOf(`,"params":{"_meta":${huge}}`)), {})
})

t.test(
  'of two contexts the one of the headers counts, unless only the other is recorded',
  async (t) => {
    const outer = { traceparent: parent(one, '01', 'aaaaaaaaaaaaaaaa'), tracestate, baggage }
    const pick = (outerParent: string | undefined, innerParent: string | undefined) =>
      chosen({ traceparent: outerParent }, { traceparent: innerParent }).traceparent
    t.strictSame(chosen(outer, { traceparent: parent() }), outer, 'the same trace')
    t.equal(pick(parent(two), parent()), parent(two), 'another trace that is recorded')
    t.equal(pick(parent(two, '00'), parent()), parent(), 'one that is not recorded')
    t.equal(pick(parent(two, '00'), parent(one, '00')), parent(two, '00'))
    t.equal(pick(parent(one, '00'), parent(one)), parent(one, '00'))
    t.equal(pick(undefined, parent()), parent())
    t.equal(pick(parent(), undefined), parent())
    t.strictSame(chosen({}, { traceparent: parent(), tracestate, baggage }).baggage, baggage)
  }
)

t.test('headers move into `_meta`, and all other bytes stay', async (t) => {
  const headers = { traceparent: parent(), tracestate, baggage, accept: '*/*' }
  const meta = `"traceparent":"${parent()}","tracestate":"${tracestate}","baggage":"${baggage}"`
  const moved = (params: string, id?: string): string =>
    String(moveToMeta(frameOf(params, id), headers))
  const head = '{"jsonrpc":"2.0","id":1,"method":"m"'
  t.equal(moved(''), `${head},"params":{"_meta":{${meta}}}}`)
  t.equal(moved(',"params":{}'), `${head},"params":{"_meta":{${meta}}}}`)
  t.equal(moved(',"params":{"a":1e999}'), `${head},"params":{"a":1e999,"_meta":{${meta}}}}`)
  t.equal(
    moved(',"params":{"_meta":{"progressToken":1.0,"traceparent":"old"},"b":2}'),
    `${head},"params":{"_meta":{"progressToken":1.0,${meta}},"b":2}}`
  )
  t.equal(moved(',"params":{"_meta":{}}'), `${head},"params":{"_meta":{${meta}}}}`)
  t.equal(moved('', ''), `{"jsonrpc":"2.0","method":"m","params":{"_meta":{${meta}}}}`)
  for (const params of [',"params":[1]', ',"params":{"_meta":7}']) {
    t.equal(moved(params), `${head}${params}}`, 'there is no place for it')
  }
  const response = parseFrame(Buffer.from('{"jsonrpc":"2.0","id":1,"result":{}}'))
  t.equal(moveToMeta(response, headers), response)
  const request = frameOf('')
  t.equal(moveToMeta(request, { traceparent: 'x' }), request)
})

t.test('a frame keeps its id and its token', async (t) => {
  const frame = frameOf(',"params":{"_meta":{"progressToken":"p"}}', '"id":1.0,')
  const { id, progressToken, method } = moveToMeta(frame, { traceparent: parent() })
  t.strictSame({ id, progressToken, method }, { id: frame.id, progressToken: 'p', method: 'm' })
})

t.test('`_meta` moves into headers', async (t) => {
  const { bytes } = frameOf(
    `,"params":{"_meta":{"traceparent":"${parent()}","a":1.0,"tracestate":"${tracestate}","baggage":"é"}}`
  )
  const moved = moveToHeaders(bytes)
  t.strictSame(moved.headers, { traceparent: parent(), tracestate })
  t.equal(
    String(moved.bytes),
    '{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"a":1.0,"baggage":"é"}}}',
    'what can be no header stays'
  )
  for (const params of ['', ',"params":{"_meta":{}}', ',"params":{"_meta":[]}']) {
    const frame = frameOf(params)
    t.strictSame(moveToHeaders(frame.bytes), { bytes: frame.bytes, headers: {} })
  }
})
