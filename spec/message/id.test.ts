// Ids are compared and repeated as the text that came.

import t from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import { idAt, makeFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { byValue, idOf, jsonOf } from '../../lib/message/id.ts'
import { IdMap } from '../../lib/message/id-map.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { PendingRequests } from '../../lib/message/pending-requests.ts'
import { errorFrame } from '../../lib/message/refusal.ts'
import type { RefusedError } from '../../lib/message/refusal.ts'
import { paths } from '../../lib/protocol/paths.ts'
import { cancellation } from '../../lib/wrappers/cancellation.ts'

const texts = [
  ...['1', '"1"', '0', '-0', '-7', '1.0', '1e0', '1E0', '1e2', '100', '""', '"a\\"id\\":1"'],
  ...['9007199254740991', '9007199254740992', '9007199254740993', '-9007199254740993'],
  ...['1e21', '1e+21', '1000000000000000000000', `1${'0'.repeat(400)}`]
]

/** Messages with the id at each place where a program may write it. */
const layouts = [
  (id: string) => `{"jsonrpc":"2.0","id":${id},"method":"m"}`,
  (id: string) => `{"jsonrpc": "2.0", "id": ${id}, "method": "m"}`,
  (id: string) => `{"method":"m","params":{"id":5.5},"jsonrpc":"2.0","id":${id}}`,
  (id: string) => `{"method":"m","id":${id},"jsonrpc":"2.0"}`,
  (id: string) => ` {"id" : ${id} , "method":"m","params":{"\\"id":5},"jsonrpc":"2.0"}\n`,
  (id: string) =>
    `{"jsonrpc":"2.0","method":"m","id":${id},"params":{"a":"${'x'.repeat(300_000)}"}}`
]

const isInteger = (text: string): boolean => text.length < 400

t.test('an id is written as it was read', async (t) => {
  for (const text of texts) {
    t.equal(jsonOf(idOf(text)), text)
    t.equal(jsonOf(idAt(cancellation(idOf(text), 'r'), paths.cancelledId)), text)
    t.equal(
      String(errorFrame(idOf(text), new ProxyError('ERR_CLOSED', 'm'))).split(',')[1],
      `"id":${text}`
    )
    for (const layout of layouts) {
      if (isInteger(text))
        t.equal(jsonOf(parseFrame(Buffer.from(layout(text))).id), text, layout(text).slice(0, 80))
    }
  }
  t.equal(jsonOf(undefined), 'null')
})

t.test('the last of several ids counts, with its own text', async (t) => {
  const layouts = [
    (id: string) => `{"jsonrpc":"2.0","id":1,"id":${id},"method":"m"}`,
    (id: string) => `{"jsonrpc": "2.0", "id": 1, "method":"m","i\\u0064":${id},"params":{}}`,
    (id: string) => `{"id":1.5,"method":"m","i\\u0064":${id},"jsonrpc":"2.0"}`
  ]
  for (const text of ['1.0', '1e0', '2', '-0', '9007199254740993', '"1"']) {
    for (const layout of layouts) {
      t.equal(jsonOf(parseFrame(Buffer.from(layout(text))).id), text, layout(text))
    }
  }
})

t.test('two ids are equal only if their texts are equal', async (t) => {
  t.equal(new Set(texts.map(idOf)).size, texts.length)
  t.equal(idOf('9007199254740993'), idOf('9007199254740993'))
  t.equal(idOf('"\\u0061"'), idOf('"a"'), 'the texts of strings may differ in escapes')
})

t.test('an id that is not usual cannot be written by mistake', async (t) => {
  t.throws(() => JSON.stringify(idOf('1.0')), TypeError)
  const frame = makeFrame({ jsonrpc: '2.0', id: idOf('1.0'), result: {} })
  t.equal(String(frame), '{"jsonrpc":"2.0","id":1.0,"result":{}}')
  t.equal(frame.id, idOf('1.0'))
})

t.test('a value is equal for all texts of a number that JavaScript can hold', async (t) => {
  for (const text of ['100', '1e2', '100.0']) t.equal(byValue(idOf(text)), 100)
  t.equal(byValue(idOf('-0')), 0)
  t.equal(byValue('100'), '100')
  t.not(byValue(idOf('9007199254740993')), byValue(idOf('9007199254740992')))
})

t.test('a progress token has the exact value that came', async (t) => {
  const token = (text: string): unknown => {
    const progress = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${text}}}`
    const call = `{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"progressToken":${text}}}}`
    const one = parseFrame(Buffer.from(call)).progressToken
    t.equal(one, parseFrame(Buffer.from(progress)).progressToken)
    return one
  }
  t.equal(token('1.0'), 1)
  t.equal(token('"1"'), '1')
  t.not(token('9007199254740993'), token('9007199254740992'))
})

t.test('a message that is not JSON-RPC is refused with its exact id', async (t) => {
  for (const id of ['1e400', '-1.50', '9007199254740993', '1', '"1"']) {
    try {
      parseFrame(Buffer.from(` {"id":${id},"method":1}`))
      t.fail()
    } catch (error) {
      t.equal(jsonOf((error as RefusedError).envelope?.id), id)
    }
  }
})

t.test('a response finds its request by the value, if none has the same text', async (t) => {
  const answer = (id: string): Frame =>
    parseFrame(Buffer.from(`{"jsonrpc":"2.0","id":${id},"result":{}}`))
  const table = new IdMap<number>()
  table.set(idOf('1.0'), 1)
  table.set(idOf('9007199254740993'), 2)
  t.equal(String(table.match(answer('1'))), String(answer('1.0')))
  t.equal(table.match(answer('1')).id, idOf('1.0'))
  for (const id of ['1.0', '2', '"1"', '9007199254740993', '9007199254740992']) {
    const frame = answer(id)
    t.equal(table.match(frame), frame, id)
  }
  table.set(1, 3)
  t.equal(table.match(answer('1')).id, 1)
  table.delete(1)
  table.delete(idOf('1.0'))
  t.equal(table.match(answer('1')).id, 1)
  table.clear()
  t.equal(table.match(answer('9007199254740993.0')).id, idOf('9007199254740993.0'))
})

t.test('a cancellation and a response settle only the request with their id', async (t) => {
  const [one, other] = [idOf('9007199254740993'), idOf('9007199254740992')]
  const pending = new PendingRequests()
  for (const id of [one, other]) {
    pending.sent(parseFrame(Buffer.from(`{"jsonrpc":"2.0","id":${jsonOf(id)},"method":"m"}`)))
  }
  pending.sent(cancellation(one, 'r'))
  t.strictSame(pending.ids, [other])
  t.notOk(pending.answered(makeFrame({ jsonrpc: '2.0', id: one, result: {} })))
  t.ok(pending.answered(makeFrame({ jsonrpc: '2.0', id: other, result: {} })))
})
