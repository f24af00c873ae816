// Finding values in JSON without parsing it.

import t from 'tap'
import { findMembers, scalarAt, stringAt } from '../../lib/json/find-value.ts'

t.test('the members of an object are found by few or many names', async (t) => {
  const text = `{"a":1,"${'long'.repeat(50)}":2,"other":3,"\\u0062":[4],"c":{"d":5},"a":6}`
  const bytes = Buffer.from(text)
  for (const names of [['a', 'b', 'd'], [...'abdefghijkl']]) {
    const found = findMembers(bytes, 0, names)
    const texts = [...found].map(([name, { start, end }]) => [name, text.slice(start, end)])
    t.strictSame(Object.fromEntries(texts), { a: '6', b: '[4]' })
  }
})

t.test('only a value of the right type is read', async (t) => {
  const bytes = Buffer.from('{"s":"text","n":1,"o":{"toString":1},"a":[1],"z":null}')
  t.strictSame(
    ['s', 'n', 'o', 'a', 'z', 'x'].map((name) => stringAt(bytes, [name])),
    ['text', undefined, undefined, undefined, undefined, undefined]
  )
  t.equal(scalarAt(bytes, ['n']), 1)
  t.equal(scalarAt(bytes, ['o']), undefined)
})
