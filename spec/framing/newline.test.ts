// One frame a line.

import t from 'tap'
import { InvalidLimit } from '../../lib/framing/invalid-limit.ts'
import { encodeLines, NewlineParser, readFrame, tooLarge } from '../../lib/framing/newline.ts'
import { makeFrame } from '../../lib/message/frame.ts'
import { chunks, cuts, response } from '../helpers.ts'
import { randomFrom, randomObject } from '../interop/random-json.ts'
import { memoryInUse } from '../memory.ts'

interface Read {
  /** What came, in order: the text of a frame, or what was told of what is none. */
  told: unknown[]
  feed(chunk: string | Buffer): void
  end(): void
}

function reader(maxMessage?: number): Read {
  const told: unknown[] = []
  const parser = new NewlineParser({
    maxMessage,
    onFrame: (frame) => told.push(String(frame)),
    onInvalid: ({ code }, envelope) => told.push([code, envelope])
  })
  return { told, feed: (chunk) => parser.feed(Buffer.from(chunk)), end: () => parser.end() }
}

/** A message of exactly that many bytes. */
const sized = (size: number, members: string, rest = ''): string => {
  const [head, tail] = [`{"jsonrpc":"2.0",${members}"a":"`, `"${rest}}`]
  return head + 'x'.repeat(size - Buffer.byteLength(head + tail)) + tail
}

t.test('the same bytes give the same frames wherever they are cut', async (t) => {
  const frames = [
    '{"jsonrpc":"2.0","method":"é😀\u2028\u2029"}',
    ' {"jsonrpc": "2.0", "id" : 9007199254740993, "result": 2.0}',
    '{"jsonrpc":"2.0","method":"\\n\\r\\n"}'
  ]
  const bytes = Buffer.from(`${frames[0]}\r\n\n \t\r\n\r\n${frames[1]}\n${frames[2]}`)
  for (const parts of cuts(bytes)) {
    const { told, feed, end } = reader()
    parts.forEach(feed)
    end()
    t.strictSame(
      told,
      frames.map((frame) => frame.trim())
    )
  }
})

t.test('a byte order mark is skipped at the start of the stream, and nowhere else', async (t) => {
  const ok = '{"jsonrpc":"2.0","method":"ok"}'
  for (const parts of cuts(Buffer.from(`\ufeff${ok}\n\ufeff${ok}\n${ok}\n`))) {
    const { told, feed } = reader()
    parts.forEach(feed)
    t.strictSame(told, [ok, ['ERR_FRAME_SYNTAX', undefined], ok])
  }
})

t.test('the id of a response is found in a line that is not JSON or not UTF-8', async (t) => {
  const lines: [string, unknown][] = [
    ['{"jsonrpc":"2.0","id":1,"result":{"n":NaN}}', { kind: 'response', id: 1 }],
    [' {"jsonrpc":"2.0","result":"\xe9","id":"a"}', { kind: 'response', id: 'a' }],
    ['{"id":2,"error":{"code":1,"message":"x"}', { kind: 'response', id: 2 }],
    ['{"jsonrpc":"2.0","id":3,"method":"m","params":{"result":NaN}}', undefined],
    ['{"jsonrpc":"2.0","id":3,"method":"m","result":NaN}', undefined],
    ['{"jsonrpc":"2.0","result":NaN}', undefined],
    ['{"jsonrpc":"2.0","id":[3],"result":NaN}', undefined],
    ['sent {"jsonrpc":"2.0","id":4,"result":{}}', undefined]
  ]
  for (const [line, envelope] of lines) {
    const { told, feed } = reader()
    feed(Buffer.from(`${line}\n`, 'latin1'))
    t.strictSame(told, [['ERR_FRAME_SYNTAX', envelope]], line)
  }
})

t.test('what is no message is told, and the lines around it are read', async (t) => {
  const ok = '{"jsonrpc":"2.0","method":"ok"}'
  const lines: [string | Buffer, unknown][] = [
    [ok, ok],
    ['Listening on stdio…', ['ERR_FRAME_SYNTAX', undefined]],
    [Buffer.from([0x22, 0xc3, 0x28, 0x22]), ['ERR_FRAME_SYNTAX', undefined]],
    ['{"jsonrpc":"2.0","id":1,"resu', ['ERR_FRAME_SYNTAX', undefined]],
    ['{"jsonrpc":"2.0",\r"method":"ok"}', '{"jsonrpc":"2.0", "method":"ok"}'],
    ['{"level":30}', ['ERR_FRAME_ENVELOPE', undefined]],
    ['{"id":1,"method":"m"}', ['ERR_FRAME_ENVELOPE', { kind: 'request', id: 1, method: 'm' }]],
    ['[{"jsonrpc":"2.0","method":"m"}]', ['ERR_FRAME_ENVELOPE', undefined]],
    ['\ufeff' + ok, ['ERR_FRAME_SYNTAX', undefined]],
    [ok, ok]
  ]
  const bytes = Buffer.concat(lines.flatMap(([line]) => [Buffer.from(line), Buffer.from('\n')]))
  for (const parts of cuts(bytes)) {
    const { told, feed } = reader()
    parts.forEach(feed)
    t.strictSame(
      told,
      lines.map(([, expected]) => expected)
    )
  }
})

t.test('the last line may lack its newline', async (t) => {
  const { told, feed, end } = reader()
  feed('{"jsonrpc":"2.0","method":"m"}')
  t.strictSame(told, [])
  end()
  end()
  t.strictSame(told, ['{"jsonrpc":"2.0","method":"m"}'])
})

t.test('a message may be as large as the limit, and no larger', async (t) => {
  const max = 100
  const next = sized(max, '"method":"next",')
  /** What is told of a line, given that it is the same at every cut, and the next line is read. */
  const tellOf = (line: string): unknown => {
    let first: unknown
    for (const parts of cuts(Buffer.from(`${line}\n${next}\n`))) {
      const { told, feed } = reader(max)
      parts.forEach(feed)
      first ??= told[0]
      t.strictSame(told, [first, next])
    }
    return first
  }
  const refused = (envelope: object): unknown[] => ['ERR_FRAME_TOO_LARGE', envelope]
  const request = { kind: 'request', id: 1, method: 'm' }
  for (const members of ['"id":1,"method":"m",', '"method":"m",', '"id":1,"result":{},']) {
    t.equal(tellOf(sized(max, members)), sized(max, members))
  }
  t.strictSame(tellOf(sized(max + 1, '"id":1,"method":"m",')), refused(request))
  t.strictSame(tellOf(sized(max + 1, '"method":"m",', ',"id":1')), refused(request))
  const nested = '"params":{"id":2,"method":"no"},'
  t.strictSame(tellOf(sized(max + 60, nested, ',"method":"m","id":1')), refused(request))
  t.strictSame(tellOf(sized(max + 1, '', ',"id":"é"')), refused({ kind: 'response', id: 'é' }))
  t.strictSame(
    tellOf(sized(max + 1, '"method":"m",')),
    refused({ kind: 'notification', method: 'm' })
  )
})

t.test('garbage over the limit is told, at the end of input too', async (t) => {
  const { told, feed, end } = reader(10)
  feed('nonsense without an end')
  end()
  t.strictSame(told, [['ERR_FRAME_TOO_LARGE', undefined]])
})

t.test('a limit of zero is none', async (t) => {
  const { told, feed } = reader(0)
  const line = sized(100_000, '"method":"m",')
  feed(`${line}\n`)
  t.strictSame(told, [line])
})

t.test('a message over the limit is not kept', async (t) => {
  const { told, feed, end } = reader(1024)
  const before = memoryInUse()
  for (let i = 0; i < 500; i++) feed('x'.repeat(64 * 1024))
  t.ok(memoryInUse() - before < 8 * 1024 * 1024, 'of 32 MiB')
  end()
  t.strictSame(told, [['ERR_FRAME_TOO_LARGE', undefined]])
})

t.test('60 MiB in 64 KiB chunks cost each byte about one look', async (t) => {
  const time = (size: number): number => {
    const { told, feed } = reader()
    const bytes = encodeLines([response(1, 'x'.repeat(size))])
    const start = performance.now()
    for (const chunk of chunks(bytes)) feed(chunk)
    t.equal((told[0] as string).length, bytes.length - 1)
    return performance.now() - start
  }
  time(1024 * 1024)
  const [small, large] = [time(6 * 1024 * 1024), time(60 * 1024 * 1024)]
  // Ten times the size takes ten times as long. A buffer that is joined or searched anew with each
  // chunk would take a hundred times as long, and many seconds.
  t.ok(large < 50 * small + 1000, `${small} ms, then ${large} ms`)
})

t.test('a frame goes out as its line, and comes in as it was', async (t) => {
  const random = randomFrom(5)
  for (let size = 2; size < 20_000; size = Math.ceil(size * 1.3)) {
    const value = randomObject(random, size).replace(/[\r\n]/g, ' ')
    const text = `{"jsonrpc":"2.0","id":1,"result":${value}}`
    const { told, feed } = reader()
    feed(`${text}\n`)
    t.strictSame(told, [text])
  }
  const frame = makeFrame({ jsonrpc: '2.0', id: 1, result: '\n' })
  t.equal(String(encodeLines([frame])), `${frame}\n`)
})

t.test('a fault that is no fault of the message is not taken for one', async (t) => {
  const onInvalid = (): void => void t.fail('it was')
  const onFrame = (): void => {
    throw new Error('of the caller')
  }
  const bytes = Buffer.from('{"jsonrpc":"2.0","method":"m"}')
  t.throws(() => readFrame(bytes, { onFrame, onInvalid }, new InvalidLimit({ onInvalid })), {
    message: 'of the caller'
  })
})

t.test('what was refused for its size says how large it was', async (t) => {
  t.match(tooLarge(101, 100), {
    code: 'ERR_FRAME_TOO_LARGE',
    message: 'a message of 101 bytes is over the limit of 100 (see --max-message)'
  })
})

t.test(
  'of many invalid lines, the first hundred are reported, and the others counted',
  async (t) => {
    const said: string[] = []
    const got: unknown[] = []
    const parser = new NewlineParser({
      onFrame: ({ id }) => got.push(id),
      onInvalid: (error, envelope) => {
        said.push(error.message)
        if (envelope !== undefined) got.push(envelope.id)
      }
    })
    const invalid = 'x\n'.repeat(1000)
    const withId = '{"id":1,"method":2,"more":"members"}\n'
    parser.feed(Buffer.from(`${invalid}${withId}{"jsonrpc":"2.0","id":2,"method":"m"}\n`))
    t.equal(said.length, 102)
    t.equal(said.at(-1), '900 more messages are not valid')
    t.strictSame(got, [1, 2], 'a message that may have an id is still read')
    parser.feed(Buffer.from('x\n'))
    t.equal(said.length, 103, 'the next chunk counts from zero')
  }
)
