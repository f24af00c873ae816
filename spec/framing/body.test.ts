// HTTP bodies: one message, or a batch of them.

import t from 'tap'
import { BodyParser, parseBody } from '../../lib/framing/body.ts'
import { chunks, cuts, response } from '../helpers.ts'
import { randomFrom, randomObject } from '../interop/random-json.ts'

const read = (text: string | Buffer): { batch: boolean; texts: string[] } => {
  const { batch, frames } = parseBody(Buffer.from(text))
  return { batch, texts: frames.map(String) }
}

t.test('a body is the same wherever it was cut', async (t) => {
  const bytes = Buffer.from('\r\n{"jsonrpc":"2.0",\r\n"method":"é😀"}\n')
  for (const parts of cuts(bytes)) {
    const parser = new BodyParser()
    for (const part of parts) parser.feed(part)
    t.strictSame(read(parser.end()), {
      batch: false,
      texts: ['{"jsonrpc":"2.0",  "method":"é😀"}']
    })
  }
})

t.test('a body may be as large as the limit, and no larger', async (t) => {
  const bytes = Buffer.alloc(100, 'x')
  for (const parts of cuts(bytes)) {
    const enough = new BodyParser(100)
    for (const part of parts) enough.feed(part)
    t.ok(enough.end().equals(bytes))
    const tooSmall = new BodyParser(99)
    const feedAll = (): void => parts.forEach((part) => tooSmall.feed(part))
    t.throws(feedAll, { code: 'ERR_FRAME_TOO_LARGE', message: /^a message of 100 bytes/ })
  }
})

t.test('a limit of zero is none', async (t) => {
  const parser = new BodyParser(0)
  parser.feed(Buffer.alloc(1000))
  t.equal(parser.end().length, 1000)
})

t.test('an empty body is no message', async (t) => {
  t.throws(() => parseBody(new BodyParser().end()), { code: 'ERR_FRAME_SYNTAX' })
  t.throws(() => read(' \r\n'), { code: 'ERR_FRAME_SYNTAX' })
})

t.test('60 MiB in 64 KiB chunks pass', async (t) => {
  const { bytes } = response(1, 'x'.repeat(60 * 1024 * 1024))
  const parser = new BodyParser()
  for (const chunk of chunks(bytes)) parser.feed(chunk)
  const { frames } = parseBody(parser.end())
  t.ok(frames[0]?.bytes.equals(bytes))
})

t.test('a batch is read as its frames, byte for byte', async (t) => {
  const one = '{"jsonrpc":"2.0","id":9007199254740993,"method":"a","params":{"b":["],[",{}]}}'
  const two = '{"method":"c","jsonrpc":"2.0"}'
  t.strictSame(read(` [${one},\n${two} ]\n`), { batch: true, texts: [one, two] })
  t.strictSame(read(`[${one}]`), { batch: true, texts: [one] })
})

t.test('a byte order mark at the start of a body is skipped', async (t) => {
  const text = '{"jsonrpc":"2.0","method":"m"}'
  t.strictSame(read(`\ufeff${text}`), { batch: false, texts: [text] })
  t.strictSame(read(`\ufeff[${text}]`), { batch: true, texts: [text] })
  t.throws(() => read(`\ufeff\ufeff${text}`), { code: 'ERR_FRAME_SYNTAX' })
})

t.test('any batch keeps the bytes of its messages', async (t) => {
  const random = randomFrom(3)
  for (let size = 2; size < 5000; size = Math.ceil(size * 1.3)) {
    const texts = Array.from({ length: 3 }, (_, id) => {
      const result = randomObject(random, size).replace(/[\r\n]/g, ' ')
      return `{"jsonrpc":"2.0","id":${id},"result":${result}}`
    })
    t.strictSame(read(`[${texts.join(',')}]`), { batch: true, texts })
  }
})

t.test('a batch with a fault in it is refused as a whole', async (t) => {
  const ok = '{"jsonrpc":"2.0","method":"m"}'
  t.throws(() => read('[]'), { code: 'ERR_FRAME_ENVELOPE', message: 'the batch is empty' })
  t.throws(() => read(`[${ok},1]`), { code: 'ERR_FRAME_ENVELOPE' })
  t.throws(() => read(`[${ok},[${ok}]]`), { code: 'ERR_FRAME_ENVELOPE' })
  for (const text of [`[${ok}`, `[${ok},]`, `[${ok}]]`, `[${ok} ${ok}]`, '[']) {
    t.throws(() => read(text), { code: 'ERR_FRAME_SYNTAX', message: 'the batch is not JSON' }, text)
  }
  const latin1 = Buffer.from(`[${ok},{"jsonrpc":"2.0","method":"\xe9"}]`, 'latin1')
  t.throws(() => read(latin1), { code: 'ERR_FRAME_SYNTAX', message: 'the message is not UTF-8' })
})

t.test('a batch is refused unread where batches are not allowed', async (t) => {
  const error = { code: 'ERR_REQUEST', message: /only a session of the revision 2025-03-26/ }
  for (const text of ['[]', '\t[1', `[${'1,'.repeat(500_000)}1]`]) {
    t.throws(() => parseBody(Buffer.from(text), { batches: false }), error)
  }
  const message = Buffer.from('{"jsonrpc":"2.0","method":"m"}')
  t.equal(parseBody(message, { batches: false }).frames.length, 1)
})

t.test('a batch of a thousand messages is read, and a larger one is refused', async (t) => {
  const batchOf = (count: number): Buffer =>
    Buffer.from(`[${Array(count).fill('{"jsonrpc":"2.0","method":"m"}').join()}]`)
  t.equal(parseBody(batchOf(1000)).frames.length, 1000)
  const error = { code: 'ERR_REQUEST', message: 'the batch has more than 1000 messages' }
  t.throws(() => parseBody(batchOf(1001)), error)
  t.throws(() => parseBody(Buffer.from('['.padEnd(3000, '1,'))), error, 'also if it is not JSON')
})
