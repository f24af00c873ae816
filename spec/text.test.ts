// What peers send, as one line of a log.

import t from 'tap'
import { copyOf, quote, toLine } from '../lib/text.ts'

t.test('lines are joined, and blank ones are left out', async (t) => {
  t.equal(toLine('  one \r\n\n  two\rthree\u2028four\u2029 '), 'one | two | three | four')
  t.equal(toLine(''), '')
  t.equal(toLine('a\tb'), 'a b')
})

t.test('control characters and bidirectional overrides are escaped', async (t) => {
  t.equal(toLine('\u001b[31mred\u009b\u007f\0'), '\\u001b[31mred\\u009b\\u007f\\u0000')
  for (const code of [0x061c, 0x200e, 0x200f, 0x202a, 0x202e, 0x2066, 0x2069]) {
    const hex = code.toString(16).padStart(4, '0')
    t.equal(toLine(`a${String.fromCharCode(code)}b`), `a\\u${hex}b`)
  }
  t.equal(toLine('é 日本 😀'), 'é 日本 😀', 'other characters stay')
})

t.test('a line has at most 8 KiB, and says how long the text was', async (t) => {
  t.equal(toLine('x'.repeat(8192)), 'x'.repeat(8192))
  for (const character of ['x', '\0', 'é', '日', '😀']) {
    const text = character.repeat(100_000)
    const line = toLine(text)
    t.ok(Buffer.byteLength(line) <= 8192, character)
    t.ok(line.endsWith(`… (${text.length} characters)`), character)
    t.notMatch(line, /\ufffd/)
  }
  t.ok(Buffer.byteLength(toLine('日'.repeat(8000))) <= 8192, 'few characters of many bytes')
})

t.test('a megabyte of blanks or line breaks takes no time', async (t) => {
  for (const text of [' '.repeat(1e6), '\r\n'.repeat(5e5), `a${' '.repeat(1e6)}b`]) {
    const start = performance.now()
    toLine(text)
    t.ok(performance.now() - start < 20)
  }
})

t.test('a quoted text is short and printable', async (t) => {
  t.equal(quote('plain'), '"plain"')
  t.equal(quote('a\x1b[2J\u202eb'), '"a\\u001b[2J\\u202eb"')
  t.equal(quote('x'.repeat(100)), `"${'x'.repeat(100)}"`)
  t.equal(quote('x'.repeat(1e6)), `"${'x'.repeat(100)}…"`)
})

t.test('a copy has the characters of the text', async (t) => {
  for (const text of ['', 'a', 'é 日本 😀', '\ud800', 'a\udc00b']) t.equal(copyOf(text), text)
  t.equal(copyOf('abc', 2), 'ab')
})
