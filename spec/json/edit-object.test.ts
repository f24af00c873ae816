// Edits of one object in JSON bytes.

import t from 'tap'
import { editObject } from '../../lib/json/edit-object.ts'
import type { ObjectEdit } from '../../lib/json/edit-object.ts'
import { findValue } from '../../lib/json/find-value.ts'
import type { Span } from '../../lib/json/find-value.ts'

function edit(text: string, path: string[], change: ObjectEdit): string {
  const bytes = Buffer.from(text)
  return editObject(bytes, findValue(bytes, path) as Span, change).toString()
}

t.test('members are removed and added, and all other bytes stay', async (t) => {
  const text = '{ "a" : 1.0 , "b":{"c":[1, 2],"d":9007199254740993},"e":"\\u00e9" }'
  t.equal(edit(text, [], { remove: ['b'] }), '{"a" : 1.0,"e":"\\u00e9"}')
  const nested = edit(text, ['b'], { remove: ['c'], add: ['"x":0'] })
  t.equal(nested, '{ "a" : 1.0 , "b":{"d":9007199254740993,"x":0},"e":"\\u00e9" }')
  t.equal(edit(text, [], { remove: ['a', 'b', 'e'] }), '{}')
  t.equal(edit(text, [], { remove: ['none'], add: [Buffer.from('"y":"é"')] }).slice(-8), '"y":"é"}')
})

t.test('an empty object gets members', async (t) => {
  t.equal(edit('{"a":{ }}', ['a'], { remove: [], add: ['"b":1', '"c":2'] }), '{"a":{"b":1,"c":2}}')
})

t.test('all members with a name are removed, also if the name is escaped', async (t) => {
  t.equal(edit('{"a":1,"\\u0061":2,"A":3}', [], { remove: ['a'] }), '{"A":3}')
})

t.test('blanks around an object stay outside of it', async (t) => {
  t.equal(edit(' {"a":1,"b":2} ', [], { remove: ['b'], add: ['"c":3'] }), ' {"a":1,"c":3}')
  t.equal(edit('{"a":{ } , "b":2}', ['a'], { remove: [], add: ['"c":3'] }), '{"a":{"c":3} , "b":2}')
})
