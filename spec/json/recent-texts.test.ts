// Texts that come again are the same texts.

import t from 'tap'
import { RecentTexts } from '../../lib/json/recent-texts.ts'

t.test('a text is right, whatever came before it', (t) => {
  const texts = new RecentTexts()
  const all = [
    '',
    'a',
    'ab',
    'aab',
    'abb',
    'acb',
    'tools/call',
    'tools/list',
    '\0',
    '~',
    'a'.repeat(64)
  ]
  // These have the same length and the same ends, so they share a place.
  const same = ['notifications/roots/list_changed', 'notifications/tools/list_changed']
  const long = ['a'.repeat(65), `a${'b'.repeat(63)}a`, 'a'.repeat(4096)]
  for (const before of [...all, ...same, ...long]) {
    for (const text of [...all, ...same, ...long]) {
      for (const one of [before, text, text]) {
        const bytes = Buffer.from(`"${one}"`)
        t.equal(texts.read(bytes, 1, bytes.length - 1), one)
      }
    }
  }
  t.end()
})

t.test('each byte of each place counts', (t) => {
  const texts = new RecentTexts()
  for (let first = 0x20; first < 0x7f; first++) {
    for (let last = 0x20; last < 0x7f; last++) {
      const text = String.fromCharCode(first, last)
      if (texts.read(Buffer.from(text), 0, 2) !== text) t.fail(text)
    }
  }
  t.end()
})
