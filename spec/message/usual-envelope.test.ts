// Each message is read twice: by `usualEnvelope`, and in the slower way, which a tab in the message asks
// for. Where both give an envelope, it is the same.

import { isUtf8 } from 'node:buffer'
import t from 'tap'
import { findValue } from '../../lib/json/find-value.ts'
import { unknownPlaces } from '../../lib/message/envelope.ts'
import { nameIn, placeOfId, withId } from '../../lib/message/frame.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { usualEnvelope } from '../../lib/message/usual-envelope.ts'
import { paths } from '../../lib/protocol/paths.ts'

/** The same message, but not a usual one. */
const unusual = (text: string): Buffer => Buffer.from(`{\t${text.slice(1)}`)

function read(text: string): object | undefined {
  const usual = usualEnvelope(Buffer.from(text))
  if (usual === undefined) return undefined
  const { isAscii: _isAscii, ...envelope } = usual
  return { ...envelope, ...unknownPlaces }
}

function slowly(text: string): unknown {
  const { bytes, ...envelope } = parseFrame(unusual(text))
  return bytes.equals(unusual(text)) ? envelope : undefined
}

const call = '"jsonrpc":"2.0","id":1,"method":"tools/call"'
const version = '"io.modelcontextprotocol/protocolVersion":"2026-07-28"'

t.test('the envelope of a usual message is read in one pass', async (t) => {
  const messages = [
    '{"jsonrpc":"2.0","id":0,"method":"ping"}',
    '{ "jsonrpc" : "2.0" , "id" : 999999999999999 , "method" : "ping" , "params" : {} }',
    '{"method":"ping","id":"","jsonrpc":"2.0"}',
    '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    '{"jsonrpc":"2.0","method":"m","params":[1,{"_meta":{"progressToken":1}}]}',
    '{"jsonrpc":"2.0","id":"a","result":{"id":2,"method":"x"}}',
    '{"jsonrpc":"2.0","id":3,"result":null}',
    '{"jsonrpc":"2.0","id":3,"params":{},"result":"é \\u00e9 \\" }"}',
    `{${call},"params":{"_meta":{"progressToken":5,${version}}}}`,
    `{${call},"params":{"_meta":{"progressToken":"t","x":[{}]},"progressToken":7}}`,
    `{${call},"params":{"a":"${'long '.repeat(100)}","b":-1.5e+3,"c":[true,false,null,[],{}]}}`,
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":1}}',
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t"}}'
  ]
  for (const message of messages) {
    const envelope = read(message)
    t.ok(envelope, message)
    t.strictSame(envelope, slowly(message), message)
  }
})

t.test('the name of a tool is the same by its place and by a search', async (t) => {
  const longest = 'n'.repeat(254)
  const cases: [params: string, hasPlace: boolean, name: string | undefined][] = [
    ['"name":"echo","arguments":{"name":"no"}', true, 'echo'],
    [' "arguments" : { "name" : "no" } , "name" : "echo" ', true, 'echo'],
    ['"_meta":{"name":"no"},"name":""', true, ''],
    [`"name":"${longest}"`, true, longest],
    [`"name":"${longest}n"`, false, `${longest}n`],
    ['"name":"a","name":"b"', true, 'b'],
    ['"name":"a","name":"\\u0062"', false, 'b'],
    ['"name":"a","name":7', false, undefined],
    ['"name":7,"name":"b"', true, 'b'],
    ['"name":"a","n\\u0061me":"b"', false, 'b'],
    ['"name":"é"', false, 'é'],
    ['"name":"a\\"b"', false, 'a"b'],
    ['"name":{"name":"no"}', false, undefined],
    ['"Name":"no"', false, undefined]
  ]
  for (const [params, hasPlace, name] of cases) {
    const text = `{${call},"params":{${params}}}`
    const frame = parseFrame(Buffer.from(text))
    t.equal(frame.nameEnd > 0, hasPlace, text)
    t.equal(nameIn(frame), name, text)
    t.equal(nameIn(parseFrame(unusual(text))), name)
    const moved = frame.withBytes(Buffer.from(`{"x":"longer",${text.slice(1)}`))
    t.equal(nameIn(moved), name, 'other bytes have another place')
  }
})

t.test('the id and the progress token are at their places', async (t) => {
  const messages = [
    '{"jsonrpc":"2.0","id":0,"method":"ping"}',
    '{"result":{"id":2},"id":"a","jsonrpc":"2.0"}',
    `{ ${call} , "params" : { "_meta" : { "progressToken" : "t" } , "progressToken" : 7 } }`,
    `{"params":{"_meta":{"x":{"progressToken":1},"progressToken":55}},${call}}`,
    '{"jsonrpc":"2.0","method":"m","params":{"progressToken":1}}'
  ]
  for (const text of messages) {
    const frame = parseFrame(Buffer.from(text))
    const { bytes, idStart, idEnd, tokenStart, tokenEnd } = frame
    const none = { start: 0, end: 0 }
    t.strictSame({ start: idStart, end: idEnd }, findValue(bytes, paths.id) ?? none, text)
    const token = findValue(bytes, paths.requestToken) ?? none
    t.strictSame({ start: tokenStart, end: tokenEnd }, token, text)
    if (frame.id === undefined) continue
    for (const one of [frame, parseFrame(unusual(text))]) {
      t.strictSame(placeOfId(one), findValue(one.bytes, paths.id))
      const { id, bytes } = withId(one, 'longer')
      t.equal(id, 'longer')
      const before = one.bytes.toString('latin1', 0, placeOfId(one).start)
      t.equal(bytes.toString(), `${before}"longer"${one.bytes.subarray(placeOfId(one).end)}`)
    }
    const moved = frame.withBytes(Buffer.from(`{"x":"longer",${text.slice(1)}`))
    t.strictSame(placeOfId(moved), findValue(moved.bytes, paths.id), 'other bytes, other places')
  }
})

t.test('a message is clear if all parsers find the same values', async (t) => {
  const logLevel = 'io.modelcontextprotocol/logLevel'
  const cases: [params: string, isClear: boolean][] = [
    ['{}', true],
    ['{"name":"a","arguments":{"name":1,"Name":2,"_meta":1,"_META":2},"Id":1,"id":2}', true],
    [`{"_meta":{"progressToken":1,${version},"name":1,"name":2},"name":"a"}`, true],
    ['{"name":"a","name":"a"}', false],
    ['{"name":"a","Name":"a"}', false],
    ['{"NAME":"a"}', false],
    ['{"_Meta":{}}', false],
    ['{"_meta":{},"_META":{}}', false],
    ['{"progresstoken":1}', false],
    ['{"_meta":{"ProgressToken":1}}', false],
    [`{"_meta":{${version},${version.toUpperCase()}}}`, false],
    [`{"_meta":{"${logLevel}":"debug"}}`, false],
    [`{"_meta":{"${logLevel.toLowerCase()}":"debug"}}`, false],
    ['[1]', false]
  ]
  for (const [params, isClear] of cases) {
    const text = `{${call},"params":${params}}`
    const frame = parseFrame(Buffer.from(text))
    t.equal(frame.isClear, isClear, text)
    t.not(frame.idEnd, 0, 'the message is usual')
    t.equal(parseFrame(unusual(text)).isClear, false)
    t.equal(frame.withBytes(Buffer.from(text)).isClear, false, 'other bytes may be unclear')
  }
  const response = '{"jsonrpc":"2.0","id":1,"result":{}'
  t.equal(parseFrame(Buffer.from(`${response}}`)).isClear, true)
  t.equal(parseFrame(Buffer.from(`${response},"method":"m"}`)).isClear, false)
})

t.test('a message that is not usual is left to the slower way', async (t) => {
  const long = `"${'x'.repeat(300)}"`
  const messages = [
    ...[
      '',
      ' ',
      '[]',
      '1',
      '"x"',
      ' {"jsonrpc":"2.0","method":"m"}',
      '{"jsonrpc":"2.0","method":"m"} '
    ],
    ...[
      '{}',
      '{1}',
      '{"',
      '{"jsonrpc":"2.0"',
      '{"jsonrpc":"2.0",',
      '{"jsonrpc":"2.0","method":"m",}'
    ],
    ...['{"jsonrpc":"2.0"}', '{"jsonrpc":"2.0","id":1}', '{"jsonrpc":"2.0","result":{}}'],
    ...[
      '{"id":1,"method":"m"}',
      '{"jsonrpc":"1.0","id":1,"method":"m"}',
      '{"jsonrpc":2.0,"method":"m"}'
    ],
    ...[
      '1.0',
      '1e3',
      '-1',
      '01',
      '1000000000000000',
      'null',
      'true',
      '{}',
      '[]',
      '1x',
      '"\\u0061"',
      '"é"',
      long
    ].map((id) => `{"jsonrpc":"2.0","id":${id},"method":"m"}`),
    ...['1', 'null', '{}', '"\\u0061"', `"\n"`, long].map(
      (method) => `{"jsonrpc":"2.0","method":${method}}`
    ),
    ...['1', '"x"', 'null'].map((params) => `{"jsonrpc":"2.0","method":"m","params":${params}}`),
    ...[
      '1',
      'null',
      '[]',
      '{"progressToken":null}',
      '{"progressToken":1.5}',
      '{"progressToken":1,"progressToken":1}',
      `{${version},${version}}`,
      '{"io.modelcontextprotocol/protocolVersion":1}',
      '{"\\u0061":1}',
      '{1}',
      '{"a"1}',
      '{"a":1 2}'
    ].map((meta) => `{${call},"params":{"_meta":${meta}}}`),
    `{${call},"params":{"_meta":{},"_meta":{}}}`,
    `{${call},"params":{"progressToken":1,"progressToken":2}}`,
    `{${call},"params":{"progressToken":null}}`,
    ...[
      '"id":2',
      '"jsonrpc":"2.0"',
      '"method":"m"',
      '"x":1',
      '"\\u0069d":2',
      '"error":{"code":1,"message":"m"}'
    ].map((more) => `{${call},${more}}`),
    `{${call},"params":{},"params":{}}`,
    '{"jsonrpc":"2.0","id":1,"result":{},"result":{}}',
    '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}',
    '{"jsonrpc":"2.0","id":1,\n"method":"m"}',
    '{"jsonrpc":"2.0","id":1,"result":\t1}',
    '{"jsonrpc":[2.0","id":1,"result":1}'
  ]
  for (const message of messages) t.equal(read(message), undefined, message.slice(0, 100))
})

t.test('bytes that are not JSON are an error where a value is read', async (t) => {
  const open = '"params":{"a":'
  for (const value of ['', '[1,]', '{"a":1,}', '"', '"\n"', '"\\x"', 'nul', '1.', '-', '{', '"x']) {
    const message = `{"jsonrpc":"2.0","method":"m",${open}${value}`
    t.throws(() => read(message), SyntaxError, message)
    t.throws(() => parseFrame(Buffer.from(message)), { code: 'ERR_FRAME_SYNTAX' }, message)
  }
  for (const value of ['01', '1 2', '"a"b']) {
    const message = `{"jsonrpc":"2.0","method":"m","params":{"a":${value}}}`
    t.equal(read(message), undefined, message)
    t.throws(() => parseFrame(Buffer.from(message)), { code: 'ERR_FRAME_SYNTAX' }, message)
  }
})

t.test('a usual message has no line break, and says whether it is ASCII', async (t) => {
  const isAscii = (result: string): boolean | undefined =>
    usualEnvelope(Buffer.from(`{"jsonrpc":"2.0","id":1,"result":${result}}`))?.isAscii
  t.equal(isAscii('{ "a" : [ "~\\u00e9" ] }'), true)
  for (const text of ['"\u0080"', '{"\u00e9":1}', '[["\u{10ffff}"],""]', `"${'a'.repeat(200)}"`]) {
    t.equal(isAscii(text), false, text)
  }
  for (const blank of ['\n', '\r', '\t']) {
    for (const text of [`{${blank}}`, `[1,${blank}2]`, `{"a"${blank}:1}`, `{"a":[]${blank}}`]) {
      t.equal(isAscii(text), undefined, JSON.stringify(text))
    }
  }
})

t.test('no byte that is not UTF-8 is missed, wherever it is', async (t) => {
  const params = '{"_meta":{"progressToken":"t"},"name":"n","arguments":{"a":["b",{}]}}'
  for (const text of [
    `{"jsonrpc":"2.0","id":"i","method":"m","params":${params}}`,
    `{"jsonrpc":"2.0","id":1,"result":{"a":"${'b'.repeat(150)}","c":"\u00e9"}}`
  ]) {
    const right = Buffer.from(text)
    for (let at = 0; at < right.length; at++) {
      for (const byte of [0x80, 0xc3, 0xff]) {
        const wrong = Buffer.from(text)
        wrong[at] = byte
        if (isUtf8(wrong)) continue // this repeats a byte of a letter
        let message
        try {
          parseFrame(wrong)
        } catch (error) {
          message = (error as Error).message
        }
        if (message !== 'the message is not UTF-8') t.fail(`${message} at ${at}`)
      }
    }
  }
})

t.test('capabilities are known if they are an object, once', async (t) => {
  const name = '"io.modelcontextprotocol/clientCapabilities"'
  const hasCapabilities = (meta: string): boolean | undefined =>
    usualEnvelope(Buffer.from(`{${call},"params":{"_meta":{${meta}}}}`))?.hasCapabilities
  t.equal(hasCapabilities(`${name}:{"a":[{}]},${version}`), true)
  t.equal(hasCapabilities(version), false)
  for (const value of ['[]', 'null', '"{}"', `{},${name}:{}`, `{},${name}:1`, `1,${name}:{}`]) {
    t.equal(hasCapabilities(`${name}:${value}`), undefined, value)
  }
})
