// The long strings of large messages, which are checked where they are.

import { test } from 'tap'
import { withoutLongStrings } from '../../lib/json/long-strings.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'

const long = 'x'.repeat(64 * 1024)
const large = 'x'.repeat(1024 * 1024)
const without = (text: string): string => withoutLongStrings(Buffer.from(text))

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Whether it is a frame, and as such the bytes that it was. */
const isFrame = (text: string): boolean => {
  try {
    return String(parseFrame(Buffer.from(text))) === text
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_FRAME_SYNTAX') return false
    throw error
  }
}

test('a long string leaves its quotes, and a short one is kept', async (t) => {
  const short = long.slice(2)
  t.equal(without(`{"a":"${short}"}`), `{"a":"${short}"}`)
  t.equal(without(`{"a":"${long}"}`), '{"a":""}')
  t.equal(without(`{"é":["${long}","ü"],"${long}":"${long}"}`), '{"é":["","ü"],"":""}')
  t.equal(without(`{"a":"\\"${long}\\\\","b":"${long}\\u00e9é"}`), '{"a":"","b":""}')
  t.equal(without('{}'), '{}')
})

test('they are looked for among the first thousand', async (t) => {
  const many = `[${'"a",'.repeat(1000)}"${long}"]`
  t.equal(without(many), many)
  t.equal(without(`[${'"a",'.repeat(999)}"${long}"]`), `[${'"a",'.repeat(999)}""]`)
})

test('what is no JSON without its long strings was none with them, and the other way round', async (t) => {
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

test('the envelope of a large message is what it would be of a small one', async (t) => {
  const _meta = { progressToken: long, 'io.modelcontextprotocol/protocolVersion': long }
  for (const message of [
    { id: 7, result: { large } },
    { id: long, result: { large } },
    { id: '', result: { large } },
    { id: 1, method: long, params: { large } },
    { id: 1, method: 'a', params: { large, _meta } },
    { method: 'notifications/progress', params: { large, progressToken: long } },
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
