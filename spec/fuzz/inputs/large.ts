// Makes inputs of a megabyte and more that consist of the same part many times. They show the time and
// the memory that the worst inputs take.

import type { Random } from '../../interop/random-json.ts'
import { below, pick } from './bytes.ts'

const head = '{"jsonrpc":"2.0","id":1,"method":"notifications/cancelled"'

/** What an input begins with, what it repeats, and what it ends with. */
const shapes: [string, string, string][] = [
  ['', '[', ''],
  ['', ']', ''],
  ['', '{"a":', ''],
  ['[', '[],', '[]]'],
  ['[', '{},', '{}]'],
  ['[', '1,', '1]'],
  [head, ' ', '}'],
  [head, '\r\n', '}'],
  ['{"', '\\n', '":1}'],
  ['{', '"\\u0069d":1,', '"jsonrpc":"2.0","method":"m"}'],
  [`${head},"params":{`, '"requestI\\u0064":1,', '"a":1}}'],
  [`${head},"params":{"a":[`, '{},', '{}]}}'],
  [`${head},"params":{"requestId":"`, '\\\\', '"}}'],
  [`${head},"params":{"requestId":"`, '\\"', ''],
  [`${head},"params":{"requestId":`, '9', '}}'],
  ['{"jsonrpc":"2.0","method":"m","id":"', 'é', '"}'],
  ['{"jsonrpc":"2.0","id":1,"result":{"tools":[', '{"name":"a"},', '{}]}}'],
  ['{"jsonrpc":"2.0","id":1,"result":"', 'x', '"}'],
  ['', '{"jsonrpc":"2.0","method":"m"}', ''],
  ['', '{"jsonrpc":"2.0","method":"m"}\n', ''],
  ['', 'x\n', ''],
  ['', 'data:\n', ''],
  ['', 'data:{\r', ''],
  ['', 'data:x\n\n', ''],
  ['', 'id:1\n:\n', ''],
  ['', 'event:a\nretry:1\n', ''],
  ['data: {"jsonrpc":"2.0","method":"', 'x', '"}\n\n'],
  ['', '\n', ''],
  ['', '\0', '']
]

export function enlarged(random: Random): Buffer {
  const [start, part, end] = pick(random, shapes)
  const size = 1_000_000 + below(random, 500_000)
  return Buffer.from(start + part.repeat(size / Buffer.byteLength(part)) + end)
}
