// A known text is found where it is, and nowhere else.

import t from 'tap'
import { KnownText } from '../../lib/json/known-text.ts'

t.test('a text is found at its place', (t) => {
  for (let length = 4; length <= 20; length++) {
    const text = 'abcdefghijklmnopqrstuvwxyz'.slice(0, length)
    const known = new KnownText(text)
    t.strictSame([known.text, known.length], [text, length])
    const bytes = Buffer.from(`--${text}--${text}`)
    for (let at = 0; at < bytes.length; at++) {
      t.equal(known.isAt(bytes, at), at === 2 || at === 4 + length, `${text} at ${at}`)
    }
  }
  t.end()
})

t.test('every byte counts, and a text that is cut off is none', (t) => {
  const text = '"jsonrpc"\x7f~'
  const known = new KnownText(text)
  for (let at = 0; at < text.length; at++) {
    const bytes = Buffer.from(text)
    t.equal(known.isAt(bytes.subarray(0, at), 0), false)
    for (const other of [0x00, 0x80, 0xff, (bytes[at] as number) ^ 1]) {
      bytes[at] = other
      t.equal(known.isAt(bytes, 0), false)
    }
  }
  t.end()
})
