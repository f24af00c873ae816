// Walking over JSON that is complete.

import t from 'tap'
import { isBlank, stringEnd, valueEnd } from '../../lib/json/walker.ts'

t.test('a string ends behind its closing quote, or with the bytes', async (t) => {
  t.equal(stringEnd(Buffer.from('"a\\"b" '), 0), 6)
  t.equal(stringEnd(Buffer.from(`"${'x'.repeat(200)}" `), 0), 202)
  t.equal(stringEnd(Buffer.from('"open'), 0), 5)
  t.equal(stringEnd(Buffer.from('"open\\"'), 0), 7)
})

t.test('a value ends where the next byte is not part of it', async (t) => {
  for (const value of ['1', '-1.5e3', 'true', '"a,b"', '[1,[2]]', '{"a":{"b":"}"}}']) {
    for (const next of ['', ',', ']', '}', ' ']) {
      t.equal(valueEnd(Buffer.from(value + next), 0), value.length, value + next)
    }
  }
  t.equal(valueEnd(Buffer.from('[1,2'), 0), 4, 'or with the bytes')
})

t.test('only JSON white space is blank', async (t) => {
  t.ok(isBlank(Buffer.from(' \t\r\n')))
  for (const text of ['0', '\u00a0', '\ufeff', '\v', '\0']) t.notOk(isBlank(Buffer.from(text)))
})
