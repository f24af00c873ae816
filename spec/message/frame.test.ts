// Frames: the bytes that came, and the envelope read from them.

import t from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import { idOf } from '../../lib/message/id.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { EnvelopeError, errorFrame, refuse } from '../../lib/message/refusal.ts'
import { notification } from '../helpers.ts'
import { deepObject, randomFrom, randomObject } from '../interop/random-json.ts'

const parse = (text: string): Frame => parseFrame(Buffer.from(text))

t.test('a request is known by its id and method', async (t) => {
  t.match(parse('{"jsonrpc":"2.0","id":1,"method":"ping"}'), {
    kind: 'request',
    id: 1,
    method: 'ping',
    progressToken: undefined,
    protocolVersion: undefined
  })
  t.match(parse('{"method":"m","params":[1],"id":"1","jsonrpc":"2.0"}'), {
    kind: 'request',
    id: '1',
    method: 'm'
  })
})

t.test('a request names the token that it asks progress under', async (t) => {
  const tokenOf = (meta: string): unknown =>
    parse(`{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":${meta}}}`).progressToken
  t.equal(tokenOf('{"progressToken":"p"}'), 'p')
  t.equal(tokenOf('{"progressToken":0}'), 0)
  t.equal(tokenOf('{"progressToken":{}}'), undefined)
  t.equal(tokenOf('{}'), undefined)
  t.equal(tokenOf('null'), undefined)
  t.equal(tokenOf('"progressToken"'), undefined)
})

t.test('a message of the modern revision names its revision', async (t) => {
  const versionOf = (id: string, version: string): unknown => {
    const meta = `{"io.modelcontextprotocol/protocolVersion":${version}}`
    return parse(`{"jsonrpc":"2.0",${id}"method":"m","params":{"_meta":${meta}}}`).protocolVersion
  }
  t.equal(versionOf('"id":1,', '"2026-07-28"'), '2026-07-28')
  t.equal(versionOf('', '"2026-07-28"'), '2026-07-28')
  t.equal(versionOf('"id":1,', '7'), undefined)
})

t.test('a notification has no id', async (t) => {
  t.match(parse('{"jsonrpc":"2.0","method":"notifications/initialized"}'), {
    kind: 'notification',
    id: undefined,
    method: 'notifications/initialized',
    progressToken: undefined
  })
})

t.test('a progress notification names whom it is for', async (t) => {
  const notification = '{"jsonrpc":"2.0","method":"notifications/progress"'
  t.equal(parse(`${notification},"params":{"progressToken":7}}`).progressToken, 7)
  t.equal(parse(`${notification}}`).progressToken, undefined)
  const other = '{"jsonrpc":"2.0","method":"notifications/message","params":{"progressToken":7}}'
  t.equal(parse(other).progressToken, undefined)
})

t.test('a response has an id, unless it answers what could not be read', async (t) => {
  const response = { kind: 'response', method: undefined }
  t.match(parse('{"jsonrpc":"2.0","id":1,"result":null}'), { ...response, id: 1 })
  const error = '"error":{"code":-32601,"message":"?"}'
  t.match(parse(`{"jsonrpc":"2.0","id":"a",${error}}`), {
    ...response,
    id: 'a',
    errorCode: -32601
  })
  t.match(parse(`{"jsonrpc":"2.0","id":null,${error}}`), { ...response, id: undefined })
  t.match(parse(`{"jsonrpc":"2.0",${error}}`), { ...response, id: undefined })
})

t.test('of two members with one name the last counts, and both are kept', async (t) => {
  const text = '{"jsonrpc":"2.0","id":1,"method":"m","id":2}'
  const frame = parse(text)
  t.equal(frame.id, 2)
  t.equal(String(frame), text)
})

t.test('the bytes are the buffer that came', async (t) => {
  const bytes = Buffer.from('{"jsonrpc":"2.0","id":1.0e0,"method":"m"}')
  t.equal(parseFrame(bytes).bytes, bytes)
})

t.test('a frame is the message without the white space round it', async (t) => {
  const text = '{"jsonrpc":"2.0","id":1,"result":{} }'
  for (const large of ['', 'x'.repeat(300_000)]) {
    const object = text.replace('{} ', `{"a":" ${large} "} `)
    for (const around of [' ', '\n', '\t\r\n ']) {
      t.equal(String(parse(object + around)), object)
      t.equal(String(parse(around + object)), object)
      t.equal(String(parse(around + object + around)), object)
    }
  }
})

t.test('any message keeps its bytes, but for line breaks between tokens', async (t) => {
  const random = randomFrom(7)
  for (let size = 2; size < 100_000; size = Math.ceil(size * 1.1)) {
    const value = randomObject(random, size)
    const text = `\n{ "result":${value},\r\n"id" :9007199254740993,"jsonrpc":"2.0"}`
    const frame = parse(text)
    t.equal(String(frame), text.trim().replace(/[\r\n]/g, ' '))
    t.equal(frame.id, idOf('9007199254740993'))
  }
})

t.test('line breaks become spaces between tokens, and stay as they are in strings', async (t) => {
  const frame = parse('\r\n{\n"jsonrpc":\r"2.0",\n\n"method":"a\\nb\u2028c"\r\n}\n')
  t.equal(String(frame), '{ "jsonrpc": "2.0",  "method":"a\\nb\u2028c"  }')
})

t.test('nesting may be a hundred thousand levels deep', async (t) => {
  const text = `{"jsonrpc":"2.0","id":1,"result":${deepObject(50_000)}}`
  const frame = parse(text)
  t.equal(frame.id, 1)
  t.ok(frame.bytes.equals(Buffer.from(text)))
})

t.test('what is not UTF-8 is not a message', async (t) => {
  const wrong = [
    [0xff],
    [0xc3, 0x28],
    [0xc0, 0xaf], // overlong
    [0xed, 0xa0, 0x80], // half a surrogate pair
    [0xf4, 0x90, 0x80, 0x80], // beyond the last character
    [0xe2, 0x82] // cut short
  ]
  for (const bytes of wrong) {
    const text = [Buffer.from('{"jsonrpc":"2.0","method":"'), Buffer.from(bytes), Buffer.from('"}')]
    t.throws(() => parseFrame(Buffer.concat(text)), {
      code: 'ERR_FRAME_SYNTAX',
      message: 'the message is not UTF-8'
    })
  }
})

t.test('what is not JSON is not a message', async (t) => {
  const wrong = ['', ' ', '{', '{"jsonrpc":"2.0","method":"m"} {}', "{'a':1}", '{"a":"\n"}', 'NaN']
  for (const text of wrong) {
    t.throws(() => parse(text), {
      code: 'ERR_FRAME_SYNTAX',
      message: /^the message is not JSON \(/
    })
  }
})

t.test('JSON that is no JSON-RPC message tells what it can of itself', async (t) => {
  const envelopeOf = (text: string): unknown => {
    try {
      return parse(text)
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error
      t.equal(error.code, 'ERR_FRAME_ENVELOPE')
      return error.envelope
    }
  }
  for (const text of ['null', '1', '"m"', '[]', '{}', '[{"id":1}]', '{"id":null}', '{"id":{}}']) {
    t.equal(envelopeOf(text), undefined, text)
  }
  const method = 'm'
  t.strictSame(envelopeOf('{"id":1,"method":"m"}'), { kind: 'request', id: 1, method })
  const old = '{"jsonrpc":"1.0","id":"a","method":"m"}'
  t.strictSame(envelopeOf(old), { kind: 'request', id: 'a', method })
  const half = '{"jsonrpc":"2.0","id":1.5,"method":"m"}'
  t.strictSame(envelopeOf(half), { kind: 'request', id: 1.5, method })
  t.strictSame(envelopeOf('{"id":1,"method":{}}'), { kind: 'request', id: 1, method: '' })
  t.strictSame(envelopeOf('{"jsonrpc":"2.0","id":1}'), { kind: 'request', id: 1 })
  t.strictSame(envelopeOf('{"id":1,"result":{}}'), { kind: 'response', id: 1 })
  t.strictSame(envelopeOf('{"jsonrpc":"2.0","id":1,"error":"no"}'), { kind: 'response', id: 1 })
})

t.test("a frame of the proxy's own has the message that it was made of", async (t) => {
  const message = { jsonrpc: '2.0', id: 1, method: 'm', params: { a: '\n' } } as const
  const frame = makeFrame(message)
  t.strictSame(frame.message(), message)
  t.match(frame, { kind: 'request', id: 1, method: 'm' })
  t.equal(String(frame), JSON.stringify(message))
})

t.test('an error becomes a response, with the id there is', async (t) => {
  const error = new ProxyError('ERR_TIMEOUT', 'too slow', { cause: new Error('of age') })
  const told = { code: -32000, message: 'too slow: of age' }
  t.strictSame(errorFrame(0, error).message(), { jsonrpc: '2.0', id: 0, error: told })
  t.strictSame(errorFrame(undefined, error).message(), { jsonrpc: '2.0', id: null, error: told })
})

t.test('whoever waits for a message that cannot pass is told', async (t) => {
  const error = new ProxyError('ERR_FRAME_TOO_LARGE', 'too large')
  const told = { jsonrpc: '2.0', id: 3, error: { code: -32600, message: 'too large' } }
  t.strictSame(refuse(error, { kind: 'request', id: 3 }).back?.message(), told)
  t.strictSame(refuse(error, { kind: 'response', id: 3 }).onward?.message(), told)
  t.strictSame(refuse(error, { kind: 'notification' }), {})
  t.strictSame(refuse(error), {})
})

t.test('a frame is not parsed as a whole if it is too large', async (t) => {
  const frame = notification('x', { text: 'x'.repeat(100) })
  const { length } = frame.bytes
  t.match(frame.message(length), { method: 'x' })
  const message = `the proxy does not read a message of ${length} bytes (the limit is ${length - 1})`
  t.throws(() => frame.message(length - 1), { code: 'ERR_FRAME_TOO_LARGE', message })
  t.throws(() => notification('x', { text: 'x'.repeat(1024 * 1024) }).message(), {
    code: 'ERR_FRAME_TOO_LARGE'
  })
})
