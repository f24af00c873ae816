// Finding values in JSON without parsing it.

import t from 'tap'
import { findMembers, findValue, scalarAt, stringAt, valueText } from '../../lib/json/find-value.ts'

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

t.test('of members with the same name, the last one counts at each level', async (t) => {
  const read = (text: string): string | undefined => valueText(Buffer.from(text), ['a', 'b'])
  for (const [text, value] of [
    ['{"a":{"b":1}}', '1'],
    [
      ' { "x" : [{"a":{"b":0}}] , "a" : { "b" : [1, {"b":2}] , "c":3 } , "z" : "}" } ',
      '[1, {"b":2}]'
    ],
    ['{"a":{"b":1},"a":{"b":2}}', '2'],
    ['{"a":{"b":1,"b":2}}', '2'],
    ['{"a":{"b":1},"\\u0061":{"\\u0062":3}}', '3'],
    ['{"a":{"b":1},"a":{"c":2}}', undefined],
    ['{"a":{"b":1},"a":{}}', undefined],
    ['{"a":{"b":1},"a":4}', undefined],
    ['{"a":[{"b":1}]}', undefined],
    ['{"b":1}', undefined],
    ['[{"a":{"b":1}}]', undefined],
    ['{}', undefined]
  ] as const) {
    t.equal(read(text), value, text)
  }
  t.strictSame(findValue(Buffer.from(' {} '), []), { start: 1, end: 4 })
})

t.test('a string is read up to 1 MiB, with its escapes', async (t) => {
  const read = (json: string): string | undefined => stringAt(Buffer.from(`{"s":${json}}`), ['s'])
  t.equal(read('"é日\\n\\u0061\\""'), 'é日\na"')
  const most = 'x'.repeat(1024 * 1024 - 2)
  t.equal(read(`"${most}"`), most)
  t.equal(read(`"${most}x"`), undefined)
})
