// Changes bytes at random, so that an input is nearly valid: most faults are close to what a parser
// expects.

import type { Random } from '../../interop/random-json.ts'

export const below = (random: Random, limit: number): number => Math.floor(random() * limit)

export const pick = <T>(random: Random, list: readonly T[]): T =>
  list[below(random, list.length)] as T

export const chance = (random: Random, part: number): boolean => random() < part

/** Returns a number from 1 to `limit`. Small numbers come as often as large ones. */
export const size = (random: Random, limit: number): number => Math.ceil(limit ** random())

/** Bytes that a parser treats in a special way, and the parts of characters. */
const special = Buffer.from(
  '\0\t\n\r "\\{}[],:;=/.-+%#&?<>\x7f\x80\xbf\xc0\xe2\xed\xf0\xff',
  'latin1'
)

const parts = [
  ...['\r\n', '\n\n', '\r\r', '\ufeff', '\u2028', '\u0000', '\\u0000', '\\ud800', '\\udc00', '""'],
  ...['{}', '[]', 'null', 'true', '-0', '1e400', '1.0', '9007199254740993', '"id":', '"ID":1,'],
  ...[
    '"jsonrpc":"2.0"',
    '"method":',
    '"__proto__":',
    'data:',
    'data: ',
    'event: ',
    'id: ',
    'retry: '
  ],
  ...[
    ': ',
    '\n\ndata: ',
    '/*',
    '*/',
    '//',
    ',}',
    '${',
    '${input:',
    '%00',
    '%2e',
    '../',
    '\\"',
    '\\\\'
  ]
].map((text) => Buffer.from(text))

type Change = (random: Random, bytes: Buffer, start: number, end: number) => Buffer[]

const changes: Change[] = [
  // Removes a part.
  (_random, bytes, start, end) => [bytes.subarray(0, start), bytes.subarray(end)],
  // Repeats a part.
  (random, bytes, start, end) => {
    const times = Math.min(size(random, 1000), Math.ceil(20_000 / (end - start + 1)))
    return [
      bytes.subarray(0, start),
      ...Array<Buffer>(times + 1).fill(bytes.subarray(start, end)),
      bytes.subarray(end)
    ]
  },
  // Cuts the end off.
  (_random, bytes, start) => [bytes.subarray(0, start)],
  // Inserts a part.
  (random, bytes, start) => [bytes.subarray(0, start), pick(random, parts), bytes.subarray(start)],
  // Replaces a part.
  (random, bytes, start, end) => [
    bytes.subarray(0, start),
    pick(random, parts),
    bytes.subarray(end)
  ],
  // Replaces one byte.
  (random, bytes, start) => [
    bytes.subarray(0, start),
    Buffer.of(chance(random, 0.8) ? pick(random, [...special]) : below(random, 256)),
    bytes.subarray(start + 1)
  ],
  // Copies a part to another place.
  (random, bytes, start, end) => {
    const to = below(random, bytes.length + 1)
    return [bytes.subarray(0, to), bytes.subarray(start, end), bytes.subarray(to)]
  }
]

/** Returns bytes with some changes. */
export function mutate(random: Random, bytes: Buffer, most = 6): Buffer {
  let result = bytes
  for (let left = below(random, most + 1); left > 0; left--) {
    const start = below(random, result.length + 1)
    const end = Math.min(result.length, start + size(random, 40))
    result = Buffer.concat(pick(random, changes)(random, result, start, end))
  }
  return result
}
