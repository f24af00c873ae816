// The time that the worst inputs of 1 MB take. No input may block the process for 100 ms.

import t from 'tap'
import { parseBody } from '../../lib/framing/body.ts'
import { JsonSequenceParser } from '../../lib/framing/json-sequence.ts'
import { NewlineParser } from '../../lib/framing/newline.ts'
import { SseParser } from '../../lib/framing/sse.ts'
import { Frame, idAt } from '../../lib/message/frame.ts'
import { PendingRequests } from '../../lib/message/pending-requests.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { toolsIn } from '../../lib/message/tools-in.ts'
import { mirroredMembers, mirroredParams } from '../../lib/protocol/mirrored-headers.ts'
import { paths } from '../../lib/protocol/paths.ts'
import { limit, many, shortest, size } from '../worst-inputs.ts'

const half = size / 2
const head = '{"jsonrpc":"2.0","id":1,"method":"notifications/cancelled"'
const inputs: Record<string, string> = {
  blanks: `${head}${' '.repeat(size)}}`,
  'line breaks': `${head}${'\r\n'.repeat(half)}}`,
  'a key of blanks': `{"${' '.repeat(size)}":1}`,
  'a key of line breaks': `{"${'\\n'.repeat(half)}":1}`,
  'a string of backslashes': `${head},"params":{"requestId":"${'\\\\'.repeat(half)}"}}`,
  'a string of quotes': `${head},"params":{"requestId":"${'\\"'.repeat(half)}"}}`,
  'an open string of quotes': `${head},"params":{"requestId":"${'\\"'.repeat(half)}`,
  'deep arrays': `${head},"params":${'['.repeat(half)}${']'.repeat(half)}}`,
  'deep objects': `${head},"params":${'{"a":'.repeat(size / 6)}1${'}'.repeat(size / 6)}}`,
  'open brackets': '['.repeat(size),
  'closed brackets': ']'.repeat(size),
  'many keys': `{${many('"#":1', ',')}}`,
  'many keys with escapes': `{${many('"\\u0069d":1', ',')},"jsonrpc":"2.0","method":"m"}`,
  'many params with escapes': `${head},"params":{${many('"request\\u0049d":1', ',')}}}`,
  'many params': `${head},"params":{${many('"requestId":1', ',')}}}`,
  'many metas': `${head},"params":{${many('"_meta":{"progressToken":1}', ',')}}}`,
  'many empty objects': `${head},"params":{"a":[${many('{}', ',')}]}}`,
  'many numbers': `${head},"params":[${many('1', ',')}]}`,
  'one long number': `${head},"params":{"requestId":${'9'.repeat(size)}}}`,
  'one long fraction': `${head},"params":{"requestId":0.${'0'.repeat(size)}1}}`,
  'a long id': `{"jsonrpc":"2.0","method":"m","id":"${'é'.repeat(half)}"}`,
  'an array of ones': `[${many('1', ',')}]`,
  'an array of arrays': `[${many('[]', ',')}]`,
  'many messages': many('{"jsonrpc":"2.0","method":"m"}'),
  'many lines': many('x\n'),
  'a line with zeros': `{"a":${'\0x'.repeat(half)}`,
  'an object over many lines': `{\n${many('"a":0\n', ',')}`,
  'many data lines': many('data:\n'),
  'many data lines with text': many('data:{\r'),
  'many ids and comments': many('id:#\n:\n'),
  'many events': many('data:x\n\n'),
  'many fields': many('event:a\nretry:1\n')
}

const nothing = (): void => {}
const attempt = (action: () => void): void => {
  try {
    action()
  } catch (error) {
    if ((error as Error).name !== 'ProxyError') throw error
  }
}
const options = { onFrame: nothing, onInvalid: nothing }

const readers: Record<string, (bytes: Buffer) => void> = {
  'as a frame': (bytes) => attempt(() => void parseFrame(bytes)),
  'as a body': (bytes) => attempt(() => void parseBody(bytes)),
  'as lines': (bytes) => new NewlineParser(options).feed(bytes),
  'as lines over the limit': (bytes) =>
    new NewlineParser({ ...options, maxMessage: 1000 }).feed(bytes),
  'as lines in small chunks': (bytes) => {
    if (bytes.includes('\n')) return // each chunk is read in its own turn
    const parser = new NewlineParser(options)
    for (let at = 0; at < bytes.length; at += 16) parser.feed(bytes.subarray(at, at + 16))
    parser.end()
  },
  'as events': (bytes) => new SseParser(options).feed(bytes),
  'as events over the limit': (bytes) =>
    new SseParser({ ...options, maxMessage: 1000 }).feed(bytes),
  'as the data of an event': (bytes) =>
    new SseParser(options).feed(Buffer.concat([Buffer.from('data:'), bytes, Buffer.from('\n\n')])),
  'as values': (bytes) => {
    const parser = new JsonSequenceParser(undefined, (bytes) =>
      attempt(() => void parseBody(bytes))
    )
    attempt(() => {
      parser.feed(bytes)
      parser.end()
    })
  },
  'as a message that the proxy reads': (bytes) =>
    attempt(() => {
      const frame = parseFrame(bytes)
      new PendingRequests().sent(frame)
      frame.members(mirroredMembers([]))
      idAt(frame, paths.cancelledId)
    })
}

for (const [how, read] of Object.entries(readers)) {
  t.test(`no input of 1 MB blocks the process when it is read ${how}`, async (t) => {
    for (const [what, text] of Object.entries(inputs)) {
      const least = shortest(() => {
        const bytes = Buffer.from(text)
        return () => read(bytes)
      })
      t.ok(least < limit, `${what}: ${least} ms`)
    }
  })
}

t.test('no list of tools of 1 MB blocks the process', async (t) => {
  const lists = {
    ones: many('1', ','),
    objects: many('{}', ','),
    tools: many('{"name":"#"}', ','),
    'one tool': `{"name":"a","inputSchema":{"properties":{${many('"#":{"type":"string","x-mcp-header":"h#"}', ',')}}}}`,
    'deep schema': `{"name":"a","inputSchema":${'{"properties":{"a":'.repeat(size / 22)}1${'}}'.repeat(size / 22)}}`
  }
  for (const [what, tools] of Object.entries(lists)) {
    const bytes = Buffer.from(`{"jsonrpc":"2.0","id":1,"result":{"tools":[${tools}]}}`)
    const least = shortest(() => () => {
      for (const { tool } of toolsIn(parseFrame(bytes)) ?? []) if (tool) mirroredParams(tool)
    })
    t.ok(least < limit, `${what}: ${least} ms`)
  }
})

t.test('many mirrored parameters of a large call are found in linear time', async (t) => {
  const count = 20_000
  const params = Array.from({ length: count }, (_, index) => ({
    header: `h${index}`,
    path: [`a${index}`],
    type: 'string' as const
  }))
  const args = Array.from({ length: count }, (_, index) => `"a${index}":"x"`).join()
  const filler = 'y'.repeat(300_000)
  const text = `{"jsonrpc":"2.0","id":1,"method":"m","params":{"b":"${filler}","arguments":{${args}}}}`
  const frame = parseFrame(Buffer.from(text))
  t.ok(frame instanceof Frame)
  const least = shortest(() => () => {
    const { params: read } = frame.members(mirroredMembers(params))
    t.equal(Object.keys(read?.arguments as object).length, count)
  })
  t.ok(least < limit, `${least} ms`)
})
