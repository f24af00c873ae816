// A search of short messages, against the native one.

import t from 'tap'
import { searchFor } from '../../lib/json/search.ts'

t.test('a text is found at each place, in short and in long messages', async (t) => {
  const has = searchFor('"isError"')
  for (const size of [9, 10, 17, 18, 1023, 1024, 1025, 5000]) {
    const places = new Set([0, 1, 8, size >> 1, size - 10, size - 9])
    for (const at of places) {
      if (at < 0 || at + 9 > size) continue
      const bytes = Buffer.alloc(size, '"isErro')
      t.notOk(has(bytes), `${size} bytes without the text`)
      bytes.write('"isError"', at)
      t.ok(has(bytes), `at ${at} of ${size}`)
    }
  }
  t.notOk(has(Buffer.from('"isError')))
  t.notOk(has(Buffer.from('')))
  t.notOk(has(Buffer.from('isError" "isErro" "isErrors"')))
})

t.test('a text is found in the middle of parts of itself', async (t) => {
  const has = searchFor('abab')
  for (const text of ['aabab', 'abaabab', 'ababab', 'é"abab"']) t.ok(has(Buffer.from(text)), text)
  for (const text of ['abba', 'aba', 'babaab']) t.notOk(has(Buffer.from(text)), text)
})
