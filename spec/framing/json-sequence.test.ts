import t from 'tap'
import { JsonSequenceParser } from '../../lib/framing/json-sequence.ts'

function valuesOf(chunks: Iterable<Buffer>, maxMessage?: number): string[] {
  const values: string[] = []
  const parser = new JsonSequenceParser(maxMessage, (bytes) => values.push(String(bytes).trim()))
  for (const chunk of chunks) parser.feed(chunk)
  parser.end()
  return values
}

t.test('the same values are found wherever the bytes are cut', async (t) => {
  const values = ['{"a":"}é\\"]","b":[{"c":"\\\\"}]}', '[1,{"d":{}}]', '{"e":"😀"}']
  const bytes = Buffer.from(values.join('\n'))
  for (let cut = 0; cut <= bytes.length; cut++) {
    t.strictSame(valuesOf([bytes.subarray(0, cut), bytes.subarray(cut)]), values, `cut at ${cut}`)
  }
  t.strictSame(valuesOf([...bytes].map((byte) => Buffer.from([byte]))), values, 'byte by byte')
})

t.test(
  'a value is given as soon as it is whole, but not before a value that has begun',
  async (t) => {
    const values: string[] = []
    const parser = new JsonSequenceParser(0, (bytes) => values.push(String(bytes)))
    parser.feed(Buffer.from('{"a":1}\n'))
    t.strictSame(values, ['{"a":1}'])
    parser.feed(Buffer.from('{"b":2}{"c"'))
    t.strictSame(values, ['{"a":1}'])
    parser.feed(Buffer.from(':3}'))
    t.strictSame(values, ['{"a":1}', '\n{"b":2}', '{"c":3}'])
  }
)

t.test('what is no object or array is given at the end, and white space never', async (t) => {
  t.strictSame(valuesOf([Buffer.from('<html>} no </html>')]), ['<html>} no </html>'])
  t.strictSame(valuesOf([Buffer.from('{"half":')]), ['{"half":'])
  t.strictSame(valuesOf([Buffer.from(' \r\n')]), [])
  t.strictSame(valuesOf([]), [])
})

t.test('a value and the text behind it are given together', async (t) => {
  t.strictSame(valuesOf([Buffer.from('{"a":1} [2] and {"b":1}')]), ['{"a":1}', '[2] and {"b":1}'])
  for (const text of ['{"a":1}{"b":', '{"a":1}\0', '{"a":1}\n[']) {
    t.strictSame(valuesOf([Buffer.from(text)]), [text])
  }
  t.strictSame(valuesOf([Buffer.from('{"a":1}'), Buffer.from(' and more')]), [
    '{"a":1}',
    'and more'
  ])
})

t.test('each value may be as large as the limit, and not larger', async (t) => {
  t.strictSame(valuesOf([Buffer.from('{"a":1}{"b":2}')], 7), ['{"a":1}', '{"b":2}'])
  t.throws(() => valuesOf([Buffer.from('{"a":12}')], 7), { code: 'ERR_FRAME_TOO_LARGE' })
  t.throws(() => valuesOf([Buffer.from('{"a":'), Buffer.from('123')], 7), {
    code: 'ERR_FRAME_TOO_LARGE'
  })
})
