// How the traffic page writes numbers and text.

import t from 'tap'
import { clock, count, duration, size } from '../../../lib/inspect/page/model/format.ts'
import { escape, visible } from '../../../lib/inspect/page/model/visible.ts'

t.test('times, durations, sizes and counts have fixed forms', async (t) => {
  t.equal(clock(new Date(2026, 0, 2, 3, 4, 5, 6).getTime()), '03:04:05.006')
  const durations: [number, string][] = [
    [0.04, '0.04 ms'],
    [4.24, '4.2 ms'],
    [42.4, '42 ms'],
    [4240, '4.24 s'],
    [42_400, '42.4 s'],
    [125_000, '2 min 5 s']
  ]
  for (const [ms, text] of durations) t.equal(duration(ms), text)
  const sizes: [number, string][] = [
    [999, '999 B'],
    [1200, '1.2 kB'],
    [12_300, '12 kB'],
    [1_230_000, '1.2 MB']
  ]
  for (const [bytes, text] of sizes) t.equal(size(bytes), text)
  t.equal(count(1234567), '1,234,567')
})

t.test('hidden characters are visible, and a long text is cut', async (t) => {
  t.equal(
    visible('a\u202eb\u2066c\u200bd\0e\u001b[31m\u009bf'),
    'a\\u202eb\\u2066c\\u200bd\\u0000e\\u001b[31m\\u009bf'
  )
  t.equal(visible('a\tb\nc'), 'a b c')
  t.equal(visible('\ud83d x \ude00'), '\\ud83d x \\ude00')
  t.equal(visible('é 😀 العربية 日本'), 'é 😀 العربية 日本')
  t.equal(visible('abcdef', 3), 'abc…')
  t.equal(escape('\u{e0001}'), '\\udb40\\udc01')
})
