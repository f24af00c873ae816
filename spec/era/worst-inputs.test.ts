// The time and the memory that the worst messages of 1 MB take when they are translated.

import t from 'tap'
import { legacyResponse } from '../../lib/era/as-legacy/legacy-response.ts'
import { modernRequest } from '../../lib/era/as-legacy/modern-request.ts'
import { readRound } from '../../lib/era/as-legacy/round.ts'
import { digestOf } from '../../lib/era/as-modern/held-calls.ts'
import { toModernResponse } from '../../lib/era/as-modern/modern-response.ts'
import { inputRequestText } from '../../lib/era/as-modern/questions.ts'
import { toLegacyRequest } from '../../lib/era/as-modern/request-meta.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { collectGarbage } from '../memory.ts'
import { limit, many, shortest, size } from '../worst-inputs.ts'

const members = {
  'many members': many('"#":1', ','),
  'many members without a name': many('"":0', ','),
  'many members to remove': many('"_meta":0', ','),
  'many members with escapes': many('"\\u005fmeta":0', ',')
}

const request = (params: string): Frame =>
  parseFrame(Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{${params}}}`))

const response = (result: string): Frame =>
  parseFrame(Buffer.from(`{"jsonrpc":"2.0","id":1,"result":{${result}}}`))

const client = { info: '{}', capabilities: '{}' }
const round = { inputResponses: '{}', requestState: '"a"' }

t.test('no request of 1 MB blocks the process when it is translated', async (t) => {
  const translations: Record<string, (frame: Frame) => unknown> = {
    'to a legacy server': toLegacyRequest,
    'to a modern server': (frame) => modernRequest(frame, 2, client, round),
    'into a question': inputRequestText,
    'into a digest': digestOf
  }
  for (const [what, text] of Object.entries(members)) {
    for (const params of [`${text},"_meta":{}`, `"_meta":{${text}}`]) {
      for (const [how, translate] of Object.entries(translations)) {
        const frame = request(params)
        const least = shortest(() => () => translate(frame))
        t.ok(least < limit, `${what} ${how}: ${least} ms`)
      }
    }
  }
})

t.test('a request of many members is translated in a few times its size', async (t) => {
  const frame = request(`"name":"a","_meta":{${members['many members without a name']}}`)
  const translations = [toLegacyRequest, (frame: Frame) => modernRequest(frame, 2, client, round)]
  for (const translate of translations) {
    translate(frame)
    collectGarbage()
    const before = process.memoryUsage()
    translate(frame)
    const after = process.memoryUsage()
    const used = after.heapUsed + after.external - before.heapUsed - before.external
    t.ok(used < 8 * size, `${used} bytes`)
  }
})

t.test('no response of 1 MB blocks the process when it is translated', async (t) => {
  const elements = {
    numbers: many('1', ','),
    objects: many('{}', ','),
    audio: many('{"type":"audio"}', ','),
    links: many('{"type":"resource_link"}', ','),
    schemas: many('{"outputSchema":1}', ','),
    messages: many('{"content":{"type":"audio"}}', ',')
  }
  const results = {
    'tools/list': ['tools'],
    'tools/call': ['content', 'structuredContent'],
    'prompts/get': ['messages']
  }
  for (const [method, names] of Object.entries(results)) {
    for (const [what, text] of Object.entries(elements)) {
      for (const name of names) {
        const frame = response(`"${name}":[${text}]`)
        const least = shortest(() => () => legacyResponse(frame, '2', method, '2024-11-05'))
        t.ok(least < limit, `${method}, ${name} of ${what}: ${least} ms`)
      }
    }
  }
  for (const [what, text] of Object.entries(members)) {
    for (const result of [text, `"_meta":{${text}}`]) {
      const frame = response(result)
      const legacy = shortest(() => () => legacyResponse(frame, '2', 'tools/call', '2024-11-05'))
      t.ok(legacy < limit, `${what}: ${legacy} ms`)
      const modern = shortest(() => () => toModernResponse(frame, 'tools/list', '{}'))
      t.ok(modern < limit, `${what}: ${modern} ms`)
    }
  }
})

t.test('many questions in a response of 1 MB are read in linear time', async (t) => {
  const questions = Array.from({ length: 100 }, (_, index) => `"k${index}":{"method":"roots/list"}`)
  for (const [what, text] of Object.entries(members)) {
    const junk = text.slice(0, text.lastIndexOf(',', size - 10_000))
    const last = `"last":{"method":"roots/list","params":{${junk}}}`
    const all = [...questions.slice(1), last].join()
    const frame = response(`"resultType":"input_required","inputRequests":{${all}}`)
    const least = shortest(() => () => t.equal(readRound(frame).questions.length, 100))
    t.ok(least < limit, `${what}: ${least} ms`)
  }
})

t.test('a digest shows each difference of a request with many parameters', async (t) => {
  const many = Array.from({ length: 2000 }, (_, index) => `"a${index}":0`).join()
  const first = digestOf(request(`${many},"_meta":{}`))
  t.equal(
    digestOf(request(`"requestState":"s",${many},"_meta":{"a":1},"inputResponses":{}`)),
    first
  )
  t.not(digestOf(request(`${many},"b":0,"_meta":{}`)), first)
})
