// Names as a parser reads them that ignores their case.

import t from 'tap'
import { Names } from '../../lib/json/names.ts'

const names = new Names('id', 'task', '_meta')

function indexOf(text: string): number {
  const bytes = Buffer.from(`{${text}:1}`)
  return names.indexOf(bytes, 1, bytes.length - 3)
}

t.test('a name is found in every case, and with escapes', async (t) => {
  const found: [index: number, texts: string[]][] = [
    [0, ['"id"', '"ID"', '"Id"', '"\\u0069d"', '"\\u0049\\u0044"', '"\\u0131d"', '"ıd"', '"İd"']],
    [1, ['"task"', '"taSK"', '"taſk"', '"ta\\u017fk"', '"tas\u212a"', '"TAS\\u212A"']],
    [0, ['"id\\u0000"', '"iD\\u0000\\u0000x"', `"\\u0069D\\u0000${'x'.repeat(1000)}"`]],
    [2, ['"_meta"', '"_META"', '"\\u005fmeta"']]
  ]
  for (const [index, texts] of found) for (const text of texts) t.equal(indexOf(text), index, text)
})

t.test('other names are not found', async (t) => {
  for (const text of [
    '""',
    '"i"',
    '"ids"',
    '"i_"',
    '"ie"',
    '"íd"',
    '"meta"',
    '"\\"id"',
    '"\\u0069\\u0064s"'
  ]) {
    t.equal(indexOf(text), -1, text)
  }
  for (const text of ['"id\\\\u0000"', '"\\u0000id"', `"id\\\\u0000${'x'.repeat(1000)}"`]) {
    t.equal(indexOf(text), -1, text)
  }
  t.equal(indexOf(`"${'\\u0069'.repeat(1000)}"`), -1)
})
