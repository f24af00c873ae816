// Messages whose values are not parsed: their envelope is read from the bytes.

import { inspect } from 'node:util'
import t from 'tap'
import { makeFrame } from '../../lib/message/frame.ts'
import { outlineOf } from '../../lib/message/outline.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { randomFrom } from '../interop/random-json.ts'

const long = 'x'.repeat(64 * 1024)
const large = 'x'.repeat(256 * 1024)

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Whether the text is a frame whose bytes are the text without the white space round it. */
const isFrame = (text: string): boolean => {
  try {
    return String(parseFrame(Buffer.from(text))) === text.trim()
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_FRAME_SYNTAX') return false
    throw error
  }
}

t.test('a large message is JSON where JSON.parse says so', async (t) => {
  for (const inside of [
    '',
    '\\n\\t\\b\\f\\r\\"\\\\\\/',
    '\\u00e9\\uD83D\\uDE00',
    '\\ud83d',
    'é😀\u2028',
    '\\x',
    '\\u12g4',
    '\\u123',
    '\\',
    '\n',
    '\u0000',
    '\u001f',
    '\u007f',
    '"',
    '","b":"'
  ]) {
    for (const text of [`${large}${inside}`, `${inside}${large}`, `${large}${inside}${large}`]) {
      for (const end of ['"}}', '"', '', '"}} ', '"}},', '"}']) {
        const message = `{"jsonrpc":"2.0","id":1,"result":{"a":"${text}${end}`
        t.equal(isFrame(message), isJson(message), encodeURIComponent(end + inside))
      }
    }
  }
  const invalid = Buffer.from(`{"jsonrpc":"2.0","id":1,"result":"${large}?"}`)
  invalid[invalid.length - 3] = 0xff
  t.throws(() => parseFrame(invalid), { code: 'ERR_FRAME_SYNTAX' })
})

t.test('a large message has the envelope that a small one would have', async (t) => {
  const name = 'é'.repeat(1000)
  const _meta = { progressToken: name, 'io.modelcontextprotocol/protocolVersion': long }
  for (const message of [
    { id: 7, result: { large } },
    { id: name, result: { large } },
    { id: '', result: { large } },
    { id: 1, method: name, params: { large } },
    { id: 1, method: 'a', params: { large, _meta } },
    { method: 'notifications/progress', params: { large, progressToken: name } },
    { id: 2, error: { code: -1, message: large } }
  ]) {
    const frame = makeFrame({ jsonrpc: '2.0', ...message })
    const { bytes, ...envelope } = parseFrame(Buffer.from(frame.bytes))
    t.ok(bytes.equals(frame.bytes))
    t.equal(envelope.id, frame.id)
    t.equal(envelope.method, frame.method)
    t.equal(envelope.progressToken, frame.progressToken)
    t.equal(envelope.protocolVersion, frame.protocolVersion)
    t.equal(envelope.errorCode, frame.errorCode)
  }
})

t.test('the outline has the members of the envelope, and no other', async (t) => {
  const outline = (text: string): unknown => outlineOf(Buffer.from(text))
  t.strictSame(
    outline(
      ' {"jsonrpc":"2.0","x":[1],"id":7,"params":{"a":{"id":9},"_meta":{"progressToken":"p","b":2}}} '
    ),
    { jsonrpc: '2.0', id: 7, params: { _meta: { progressToken: 'p' } } }
  )
  t.strictSame(outline('{"id":1,"i\\u0064":2,"id":[3]}'), { id: [] }, 'the last of equal keys')
  t.strictSame(outline('{"id":{"a":1},"params":[1],"result":{"b":2},"error":null}'), {
    id: {},
    params: [],
    result: {},
    error: null
  })
  t.strictSame(outline('{"error":{"code":-1,"message":"m","data":{"c":3}}}'), {
    error: { code: -1, message: 'm' }
  })
  t.strictSame(outline('[{"id":1}]'), [])
  t.equal(outline(' "text" '), 'text')
})

/** What the frame is, or the error that refuses it. */
function outcomeOf(text: string): unknown {
  try {
    const { bytes, ...envelope } = parseFrame(Buffer.from(text))
    return { ...envelope, size: bytes.length }
  } catch (error) {
    const { code, envelope } = error as { code?: string; envelope?: unknown }
    return { code, envelope }
  }
}

t.test('a message has the same envelope whatever its size', async (t) => {
  const random = randomFrom(17)
  const pick = <Item>(items: readonly Item[]): Item =>
    items[Math.floor(random() * items.length)] as Item
  const values = [
    '1',
    '"1"',
    '1.5',
    '9007199254740993',
    'null',
    'true',
    '{}',
    '[]',
    '{"a":1}',
    '""'
  ]
  const metas = [
    '{"progressToken":1}',
    '{"progressToken":{}}',
    '{"progressToken":"p","progressToken":2}'
  ]
  const params = metas.map((meta) => `{"progressToken":3,"_meta":${meta}}`)
  const errors = ['{"code":1,"message":"m"}', '{"code":1}', '{"code":"1","message":"m"}']
  const members = (): string[] => [
    `"jsonrpc":${pick(['"2.0"', '"2.0"', '"2.0"', '"1.0"', '2'])}`,
    `${pick(['"id"', '"i\\u0064"'])}:${pick(values)}`,
    `"method":${pick(['"notifications/progress"', '"tools/call"', '"a"', ...values])}`,
    `"params":${pick([...params, ...values])}`,
    `"result":${pick(values)}`,
    `"error":${pick([...errors, ...values])}`,
    `"id":${pick(values)}`
  ]
  let refused = 0
  for (let round = 0; round < 2000; round++) {
    const chosen = members().filter(() => random() < 0.5)
    const body = chosen.join(',')
    const blanks = ' '.repeat(256 * 1024 - body.length)
    const { size: _small, ...small } = outcomeOf(`{${body}}`) as Record<string, unknown>
    const { size: _large, ...large } = outcomeOf(`{${body}${blanks}}`) as Record<string, unknown>
    if (small.code !== undefined) refused++
    if (inspect(small) !== inspect(large)) t.strictSame(large, small, body)
  }
  t.ok(refused > 100 && refused < 1900, `${refused} of 2000 were refused`)
})
