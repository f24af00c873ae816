// Responses in lines that are not frames.

import t from 'tap'
import { NewlineParser } from '../../lib/framing/newline.ts'
import { SseParser } from '../../lib/framing/sse.ts'
import { jsonOf } from '../../lib/message/id.ts'

/** Returns the ids of the responses in the lines, and how many errors and frames there are. */
function read(...chunks: (string | Buffer)[]): { ids: string[]; errors: number; frames: number } {
  const found = { ids: [] as string[], errors: 0, frames: 0 }
  const parser = new NewlineParser({
    onFrame: () => found.frames++,
    onInvalid: (_error, envelope) => {
      found.errors++
      if (envelope?.kind === 'response') found.ids.push(jsonOf(envelope.id))
    }
  })
  for (const chunk of chunks) parser.feed(Buffer.from(chunk))
  parser.end()
  return found
}

const response = (id: unknown, result: unknown = {}): object => ({ jsonrpc: '2.0', id, result })

t.test('a response over several lines is found by its id', async (t) => {
  const value = { content: [{ type: 'text', id: 8, result: 1 }], list: [[], {}, null, -1.5, true] }
  for (const space of [1, 2, 4, '\t']) {
    for (const message of [response('a', value), { result: value, jsonrpc: '2.0', id: 'a' }]) {
      const text = JSON.stringify(message, null, space)
      for (const end of ['\n', '\r\n']) {
        t.strictSame(read(text.replaceAll('\n', end)).ids, ['"a"'], text)
      }
    }
  }
  const texts = [
    '{\n"jsonrpc": "2.0",\n"id": "a",\n"error":\n{\n"code": 1\n}\n}',
    '{"jsonrpc":"2.0",\n"id":"a",\n"result":{"id":\n {"id":9,"result":{}}}}',
    '{\n  "id": "a",\n  "result": NaN\n}',
    '{\n\n  "result": {},\n \n  "id": "a"\n}',
    '[\n  {\n    "id": "a",\n    "result": {}\n  }\n]'
  ]
  for (const text of texts) t.strictSame(read(text).ids, ['"a"'], text)
})

t.test('the error for a message over several lines says so', async (t) => {
  const errors: string[] = []
  const parser = new NewlineParser({
    onFrame: () => t.fail(),
    onInvalid: ({ message }, envelope) => {
      if (envelope !== undefined) errors.push(message)
    }
  })
  parser.feed(Buffer.from(`${JSON.stringify(response(1), null, 2)}\n`))
  t.strictSame(errors, ['the message has several lines, but it must be one line'])
})

t.test('the id is found behind thousands of lines', async (t) => {
  const result = { list: Array.from({ length: 5000 }, (_, n) => n) }
  const text = JSON.stringify({ jsonrpc: '2.0', result, id: 7 }, null, 2)
  t.strictSame(read(`${text}\n`).ids, ['7'])
})

t.test('many short invalid events have no response', async (t) => {
  let errors = 0
  const parser = new SseParser({
    onFrame: () => t.fail(),
    onInvalid: (_error, envelope) => {
      errors++
      t.equal(envelope, undefined)
    }
  })
  parser.feed(Buffer.from('data: {\n\n'.repeat(200)))
  t.equal(errors, 101, 'a hundred errors and one count')
})

t.test('each response in a line is found', async (t) => {
  const line = [1, 2, 3].map((id) => JSON.stringify(response(id))).join('')
  t.strictSame(read(`${line}\n`).ids, ['1', '2', '3'])
  t.strictSame(read('{"jsonrpc":"2.0","method":"m"}{"id":4,"result":{}}\n').ids, ['4'])
  t.equal(read(`${line.repeat(100)}\n`).errors, 100, 'at most a hundred')
})

t.test('a response in UTF-16 or with a byte order mark is found', async (t) => {
  const text = `${JSON.stringify(response(1))}\n`
  t.strictSame(read(Buffer.from(`${text}${text}`, 'utf16le')).ids, ['1', '1'])
  t.strictSame(read(text, `\uFEFF${text.replace('{}', 'NaN')}`).ids, ['1'])
})

t.test('other output of a server is never taken for a response', async (t) => {
  const whole = `${JSON.stringify(response(1))}\n`
  const outputs = [
    `INFO: ${whole}`,
    '{\nServer started {\n"id": 1,\n"result": 1\n}\n',
    `{\n${whole}"id": 1,\n"result": 1\n}\n`,
    '"id": 1,\n"result": {}\n}\n',
    '{\n  "id": 1,\n  "method": "m"\n}\n',
    '{\n  "config": { "id": 1, "result": 2 }\n}\n'
  ]
  for (const output of outputs) t.strictSame(read(output).ids, [], output)
})

t.test('a message after an object that does not end is found', async (t) => {
  t.strictSame(read('{\n{"id":1,"result":{}}\n').ids, ['1'])
  t.strictSame(read('{\n{"id":1,"result":NaN}\n').ids, ['1'])
  const parser = new NewlineParser({
    maxMessage: 100,
    onFrame: () => t.fail(),
    onInvalid: (_error, envelope) => t.equal(envelope, undefined)
  })
  parser.feed(Buffer.from(`{\n${'x'.repeat(200)}\n"id": 1,\n"result": 1\n`))
})

t.test('a response with a line break in a string is found', async (t) => {
  t.strictSame(read('{"id":1,"result":{"text":"a\nb"}}\n').ids, ['1'])
  t.strictSame(read('{"result":{"text":"a\nb"},"id":1}\n').ids, ['1'])
})

t.test('each response of a batch is found', async (t) => {
  const batch = JSON.stringify([response(1), { jsonrpc: '2.0', method: 'm' }, response('a')])
  t.strictSame(read(`${batch}\n`).ids, ['1', '"a"'])
  t.strictSame(read(`[info] ${JSON.stringify(response(1))}\n`).ids, [])
})

t.test('a response that Python has printed is found', async (t) => {
  t.strictSame(read("{'jsonrpc': '2.0', 'id': 1, 'result': {'a': None, 'b': [True]}}\n").ids, ['1'])
  t.strictSame(read("{'result': {}, 'id': 'a-1'}\n").ids, ['"a-1"'])
})
