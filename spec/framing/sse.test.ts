// One message an event.

import t from 'tap'
import { encodeEvent, encodePriming, SseParser } from '../../lib/framing/sse.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { chunks, cuts, response } from '../helpers.ts'
import { randomFrom, randomObject } from '../interop/random-json.ts'

/** What comes of the parts of a stream, in order: the texts of frames, and what else is told. */
function read(parts: Iterable<Buffer>, maxMessage?: number): unknown[] {
  const told: unknown[] = []
  const parser = new SseParser({
    maxMessage,
    onFrame: (frame) => told.push(String(frame)),
    onInvalid: ({ code, message }, envelope) => told.push([code, envelope, message]),
    onEvent: (name, data) => told.push({ name, data }),
    onId: (id) => told.push({ id }),
    onRetry: (retry) => told.push({ retry })
  })
  for (const part of parts) parser.feed(part)
  return told
}

const ok = '{"jsonrpc":"2.0","method":"ok"}'

/** A message of exactly that many bytes. */
const sized = (size: number, members: string, rest = ''): string => {
  const [head, tail] = [`{"jsonrpc":"2.0",${members}"a":"`, `"${rest}}`]
  return head + 'x'.repeat(size - Buffer.byteLength(head + tail)) + tail
}

t.test(
  'the same bytes give the same frames wherever they are cut, however lines end',
  async (t) => {
    const text = [
      ': a comment, and a BOM before it',
      '',
      'id: 1',
      'event: message',
      `data: {"jsonrpc":"2.0","method":"é😀\u2028"}`,
      '',
      'retry: 20',
      '',
      'event: endpoint',
      'data: /messages?session_id=1',
      '',
      'data:{"jsonrpc":"2.0",',
      ': in between',
      'data:  "id":1,',
      'data',
      'data:"result":{}}',
      'unknown: field',
      'id: 2',
      '',
      'id: 3',
      'data:',
      '',
      'event: nothing to tell',
      '',
      `data: ${ok}`,
      '',
      `data: {"an event without its end": "is none"}`
    ]
    const expected = [
      { id: '1' },
      '{"jsonrpc":"2.0","method":"é😀\u2028"}',
      { retry: 20 },
      { name: 'endpoint', data: '/messages?session_id=1' },
      { id: '2' },
      '{"jsonrpc":"2.0",  "id":1,  "result":{}}',
      { id: '3' },
      ok
    ]
    for (const lineBreak of ['\n', '\r', '\r\n']) {
      const bytes = Buffer.from(`\ufeff${text.join(lineBreak)}`)
      for (const parts of cuts(bytes)) t.strictSame(read(parts), expected)
    }
  }
)

t.test('line breaks of several kinds in one stream are told apart', async (t) => {
  const bytes = Buffer.from(`data: ${ok}\r\n\rdata: ${ok}\r\r\ndata: ${ok}\n\r\ndata: ${ok}\r\n\n`)
  for (const parts of cuts(bytes)) t.strictSame(read(parts), [ok, ok, ok, ok])
})

t.test('a BOM counts only where the stream begins', async (t) => {
  const bytes = Buffer.from(`\ufeffdata: ${ok}\n\n\ufeffdata: ${ok}\n\ndata: ${ok}\n\n`)
  for (const parts of cuts(bytes)) t.strictSame(read(parts), [ok, ok])
})

t.test('what is no message is told, and the events around it are read', async (t) => {
  const events: [string | Buffer, unknown[]][] = [
    [`data: ${ok}`, [ok]],
    [
      Buffer.from('data: {"jsonrpc":"2.0",\ndata: "method":"\xe9"}', 'latin1'),
      ['ERR_FRAME_SYNTAX']
    ],
    ['data: {"jsonrpc"', ['ERR_FRAME_SYNTAX']],
    ['data: {"id":1,"result":{}}', ['ERR_FRAME_ENVELOPE', { kind: 'response', id: 1 }]],
    ['event: other\ndata: {', [{ name: 'other', data: '{' }]],
    [`data: ${ok}`, [ok]]
  ]
  const end = Buffer.from('\n\n')
  const bytes = Buffer.concat(events.flatMap(([event]) => [Buffer.from(event), end]))
  for (const parts of cuts(bytes)) {
    const told = read(parts)
    t.match(
      told.map((one) => (Array.isArray(one) ? one : [one])),
      events.map(([, expected]) => expected)
    )
    t.equal(told.length, events.length)
  }
})

t.test('what is not UTF-8 does not spoil the events after it', async (t) => {
  const wrong = Buffer.concat([
    Buffer.from('id: 1\ndata: '),
    Buffer.from([0xe2, 0x82]),
    Buffer.from('\n')
  ])
  const told = read([wrong, Buffer.from(`data: {}\n\ndata: ${ok}\n\n`)])
  t.strictSame(told, [['ERR_FRAME_SYNTAX', undefined, 'the event is not UTF-8'], ok])
})

t.test('an event that is not UTF-8 shows the id of its response', async (t) => {
  const text = 'id: 1\ndata: {"jsonrpc":"2.0","id":1,\ndata: "result":"\xe9"}\n\n'
  t.strictSame(read([Buffer.from(text, 'latin1')]), [
    ['ERR_FRAME_SYNTAX', { kind: 'response', id: 1 }, 'the event is not UTF-8']
  ])
})

t.test('a comment or a name that is not UTF-8 does not spoil its event', async (t) => {
  const text = `: caf\xe9\nevent: message\ndata: ${ok}\n\nevent: \xe9\ndata: x\n\n`
  t.strictSame(read([Buffer.from(text, 'latin1')]), [ok, { name: '\ufffd', data: 'x' }])
})

t.test('nobody has to listen for more than messages', async (t) => {
  const told: string[] = []
  const parser = new SseParser({
    onFrame: (frame) => told.push(String(frame)),
    onInvalid: () => t.fail('all is valid')
  })
  parser.feed(Buffer.from(`id: 1\nretry: 5\nevent: other\ndata: x\n\nid: 2\ndata: ${ok}\n\n`))
  t.strictSame(told, [ok])
})

t.test('a message may be as large as the limit, and no larger', async (t) => {
  const max = 100
  const next = sized(max, '"method":"next",')
  /** What is told of an event, given that it is the same at every cut, and the next one is read. */
  const tellOf = (event: string): unknown => {
    let first: unknown
    const stream = `id: 1\nevent: message\n: comment\n${event}\n\ndata: ${next}\n\n`
    for (const parts of cuts(Buffer.from(stream))) {
      const told = read(parts, max)
      first ??= told[1]
      t.strictSame(told, [{ id: '1' }, first, next])
    }
    return first
  }
  const refused = (size: number, envelope: object): unknown[] => {
    const message = `a message of ${size} bytes is over the limit of 100 (see --max-message)`
    return ['ERR_FRAME_TOO_LARGE', envelope, message]
  }
  const request = { kind: 'request', id: 5, method: 'm' }
  t.equal(tellOf(`data: ${sized(max, '"method":"m",')}`), sized(max, '"method":"m",'))
  const [front, back] = ['"id":5,"method":"m",', ',"method":"m","id":5']
  t.strictSame(tellOf(`data: ${sized(max + 1, front)}`), refused(max + 1, request))
  t.strictSame(tellOf(`data: ${sized(max + 1, '', back)}`), refused(max + 1, request))
  t.strictSame(tellOf(`data: ${sized(3 * max, '', back)}`), refused(3 * max, request))
  t.strictSame(
    tellOf(`data: ${sized(max + 1, '', ',"id":"é"')}`),
    refused(max + 1, {
      kind: 'response',
      id: 'é'
    })
  )
})

t.test('the limit is for all the lines of a message together', async (t) => {
  const lines = ['{"jsonrpc":"2.0",', '"id":5,', '"result":{"id":6},', '"a":"xxxxxxxxxxxxxxxxxx"}']
  const event = lines.map((line) => `data: ${line}\n`).join('')
  const max = lines.join('\n').length
  for (const parts of cuts(Buffer.from(`${event}\ndata: ${ok}\n\n`))) {
    t.strictSame(read(parts, max), [lines.join(' '), ok])
    for (const limit of [max - 1, max - 20, max - 35]) {
      const [refused, ...others] = read(parts, limit)
      t.match(refused, ['ERR_FRAME_TOO_LARGE', { kind: 'response', id: 5 }])
      t.strictSame(others, [ok])
    }
  }
  const empty = Buffer.from(`data\n`.repeat(1000))
  t.match(read([empty, Buffer.from(`\ndata: ${ok}\n\n`)], 100), [['ERR_FRAME_TOO_LARGE'], ok])
})

t.test('a field whose name only begins with `data` is no data', async (t) => {
  const lines = ['database: {', `data:${ok}`, 'dat: }', 'data-x: }', 'Data: }', '', '']
  t.strictSame(read([Buffer.from(lines.join('\n'))]), [ok])
})

t.test('comments are no part of a message, however many there are', async (t) => {
  const comments = Buffer.from(': still here\n'.repeat(1000))
  t.strictSame(read([comments, Buffer.from(`data: ${ok}\n\n`)], 100), [ok])
})

t.test('a line without an end is not kept, whatever it is', async (t) => {
  for (const line of [': comment', 'id: 1', 'event: e', 'nonsense']) {
    const told = read(
      [Buffer.from(line + 'x'.repeat(1000)), Buffer.from(`\n\ndata: ${ok}\n\n`)],
      100
    )
    t.match(told, [['ERR_FRAME_TOO_LARGE', undefined], ok])
  }
})

t.test('60 MiB in 64 KiB chunks cost each byte about one look', async (t) => {
  const time = (size: number, lineBreak: string): number => {
    const frame = response(1, 'x'.repeat(size))
    const bytes = Buffer.from(`data: ${frame}${lineBreak}${lineBreak}`)
    const start = performance.now()
    const told = read(chunks(bytes))
    t.equal((told[0] as string).length, frame.bytes.length)
    return performance.now() - start
  }
  time(1024 * 1024, '\n')
  const [small, large] = [time(6 * 1024 * 1024, '\n'), time(60 * 1024 * 1024, '\r\n')]
  t.ok(large < 50 * small + 1000, `${small} ms, then ${large} ms`)
})

t.test('many short lines cost each byte about one look', async (t) => {
  for (const lineBreak of ['\n', '\r', '\r\n']) {
    const start = performance.now()
    const comments = Buffer.from(`:${lineBreak}`.repeat(500_000))
    const told = read([comments, Buffer.from(`data: ${ok}${lineBreak}${lineBreak}`)])
    t.strictSame(told, [ok])
    // To look for the other kind of line break after each line would take minutes.
    t.ok(performance.now() - start < 20_000)
  }
})

t.test('a frame goes out as an event, and comes in as it was', async (t) => {
  const random = randomFrom(9)
  for (let size = 2; size < 20_000; size = Math.ceil(size * 1.3)) {
    const value = randomObject(random, size)
    const frame = parseFrame(Buffer.from(`{"jsonrpc":"2.0","id":1,"result":${value}}`))
    t.strictSame(read([encodeEvent(frame)]), [String(frame)])
    t.strictSame(read([encodeEvent(frame, '3-4')]), [{ id: '3-4' }, String(frame)])
  }
  t.equal(String(encodeEvent(response(1))), `event: message\ndata: ${response(1)}\n\n`)
})

t.test('an event without a message gives an id to come back with, and when', async (t) => {
  t.strictSame(read([Buffer.from(encodePriming('0-1', 1000))]), [{ retry: 1000 }, { id: '0-1' }])
})
