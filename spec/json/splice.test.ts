// Changing single values in the bytes of a message.

import t from 'tap'
import { findValue, valueText } from '../../lib/json/find-value.ts'
import type { Span } from '../../lib/json/find-value.ts'
import { replace, splice, spliceAt } from '../../lib/json/splice.ts'
import { stringEnd } from '../../lib/json/walker.ts'
import { deepObject, randomFrom, randomObject } from '../interop/random-json.ts'

const at = (text: string, ...path: string[]): string | undefined =>
  valueText(Buffer.from(text), path)

const put = (text: string, path: string[], value: string): string =>
  splice(Buffer.from(text), [{ path, text: value }]).toString()

t.test('a value is found by the names that lead to it', async (t) => {
  const text = ' {"a" : {"b":[{"c":1}],"c":{"d":"x"}},"c":2, "e":null } '
  t.equal(at(text, 'a', 'c', 'd'), '"x"')
  t.equal(at(text, 'a', 'b'), '[{"c":1}]')
  t.equal(at(text, 'c'), '2')
  t.equal(at(text, 'e'), 'null')
  t.equal(at(text), text.trimStart(), 'all of it, if there is no name')
})

t.test('where no name leads there is nothing', async (t) => {
  t.equal(at('{}', 'a'), undefined)
  t.equal(at('{ }', 'a'), undefined)
  t.equal(at('{"a":[{"b":1}]}', 'a', 'b'), undefined, 'nor behind an array')
  t.equal(at('{"a":"{\\"b\\":1}"}', 'a', 'b'), undefined, 'nor inside of a string')
  t.equal(at('{"b":{"a":1}}', 'a'), undefined)
  t.equal(at('[1]', 'a'), undefined)
  t.equal(at('{"toString":1}', 'constructor'), undefined)
})

t.test('of members with one name the last counts, as it does for whoever parses it', async (t) => {
  t.equal(at('{"a":1,"b":2,"a":3}', 'a'), '3')
  t.equal(at('{"a":{"b":1},"a":{"c":2}}', 'a', 'b'), undefined)
  t.equal(put('{"a":1,"a":2,"b":3}', ['a'], '9'), '{"a":1,"a":9,"b":3}')
})

t.test('a name is the same however it is escaped', async (t) => {
  t.equal(at('{"\\u0069\\u0064":7}', 'id'), '7')
  t.equal(at('{"io.x\\/y":7}', 'io.x/y'), '7', 'as PHP writes a slash')
  t.equal(at('{"id\\"":7,"\\\\id":8,"idx":9,"xid":10}', 'id'), undefined)
  t.equal(at('{"id\\\\":7,"id":8}', 'id'), '8')
})

t.test('a name is none that is longer, shorter or only looks alike', async (t) => {
  const names = [
    'id',
    'i',
    '',
    'idea',
    'é',
    '日本',
    '😀',
    'a"b',
    'a\\',
    'a/b',
    '\u0001',
    'x'.repeat(100)
  ]
  const written = (name: string): string[] => [
    JSON.stringify(name),
    `"${[...Array(name.length).keys()].map((at) => unicodeEscape(name, at)).join('')}"`,
    JSON.stringify(name).replaceAll('/', '\\/')
  ]
  for (const name of names) {
    const others = names.filter((other) => other !== name)
    for (const key of written(name)) {
      const before = others.flatMap(written).map((other) => `${other}:"no"`)
      const text = `{${before.join(',')},${key}:"yes",${before.join(',')}}`
      t.equal(at(text, name), '"yes"', key)
      t.equal(at(`{${before.join(',')}}`, name), undefined, key)
    }
  }
  // As many bytes, and the same at the beginning.
  t.equal(at('{"io":1,"xd":2,"ic":3}', 'id'), undefined)
  t.equal(at('{"é":1}', 'id'), undefined)
  t.equal(at('{"\\n":1}', 'id'), undefined)
  t.equal(at('{"e\u0301":1}', 'é'), undefined, 'it is not normalised')
})

t.test('a string ends at its quote, however far that is and whatever is before it', async (t) => {
  // Where the search goes on in another way is among these lengths.
  for (let length = 0; length < 200; length++) {
    for (const end of ['', '\\"', '\\\\', '\\\\\\"', '\\"\\"', 'é', '}', '":"']) {
      const inside = 'x'.repeat(length) + (end === '":"' ? '\\":\\"' : end)
      const text = `{"${inside}k":"${inside}","v":["${inside}"],"w":"last"}`
      const key = JSON.parse(`"${inside}k"`) as string
      if (at(text, key) !== `"${inside}"`) t.fail(`${text}: ${key}`)
      if (at(text, 'v') !== `["${inside}"]`) t.fail(`${text}: v`)
      if (at(text, 'w') !== '"last"') t.fail(`${text}: w`)
    }
  }
})

t.test('each kind of value ends where it ends', async (t) => {
  const values = [
    '1',
    '-0',
    '1.0',
    '1E+400',
    '123456789012345678901234567890',
    'true',
    'false',
    'null',
    '""',
    '"a"',
    '"\\""',
    '"\\\\"',
    '"\\\\\\""',
    '"}],:{["',
    '"é–😀\u2028"',
    '{}',
    '[]',
    '{"x":"}"}',
    '[[],{"y":["]"]}]',
    '[ 1 , 2 ]'
  ]
  for (const value of values) {
    for (const space of ['', ' ', '\n\t ']) {
      const first = `{${space}"v"${space}:${space}${value}${space},"w":0}`
      const last = `{"w":0,${space}"v"${space}:${space}${value}${space}}`
      for (const text of [first, last]) {
        t.equal(at(text, 'v'), value)
        t.equal(put(text, ['v'], '"new"'), text.replace(value, '"new"'))
        t.equal(at(text, 'w'), '0')
      }
    }
  }
})

t.test('several values are changed at once, in whatever order they are asked for', async (t) => {
  const text = Buffer.from('{"params":{"_meta":{"t":1},"z":[2]},"id":3}')
  const replacements = [
    { path: ['id'], text: '"three"' },
    { path: ['nowhere'], text: 'lost' },
    { path: ['params', '_meta', 't'], text: '"é"' }
  ]
  t.equal(
    splice(text, replacements).toString(),
    '{"params":{"_meta":{"t":"é"},"z":[2]},"id":"three"}'
  )
  t.equal(splice(text, []).toString(), text.toString())
  t.equal(splice(text, [{ path: ['x'], text: '1' }]).toString(), text.toString())
})

t.test('values that have been found are changed where they are', async (t) => {
  const bytes = Buffer.from('{"a":1,"b":"é","c":[]}')
  const [a, b, c] = ['a', 'b', 'c'].map((name) => findValue(bytes, [name])) as [Span, Span, Span]
  const changes = [
    { ...c, text: '' },
    { ...a, text: '"日本"' },
    { ...b, text: '2' }
  ]
  t.equal(spliceAt(bytes, changes).toString(), '{"a":"日本","b":2,"c":}')
  t.equal(spliceAt(bytes, []).toString(), bytes.toString())
  t.not(spliceAt(bytes, []), bytes, 'as new bytes')
  t.equal(bytes.toString(), '{"a":1,"b":"é","c":[]}')
  t.equal(stringEnd(bytes, b.start), b.end)
})

/** One UTF-16 unit of a name, escaped. */
const unicodeEscape = (name: string, at: number): string =>
  `\\u${name.charCodeAt(at).toString(16).padStart(4, '0')}`

/** The paths to all members, by way of objects alone. */
function* pathsIn(value: unknown, path: string[] = []): Generator<string[]> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return
  for (const [name, member] of Object.entries(value)) {
    yield [...path, name]
    yield* pathsIn(member, [...path, name])
  }
}

const valueAt = (value: unknown, path: string[]): unknown =>
  path.reduce((each: unknown, name) => (each as Record<string, unknown>)[name], value)

/** The same text for the same values. (Two texts with one name twice could only differ there.) */
const normal = (text: string): string => JSON.stringify(JSON.parse(text))

/** Names that are nearly, or at times, those of members. */
const strangers = ['a', 'id', 'i', 'ids', 'idea', 'é', 'é/', 'methods', '', '日本', 'x'.repeat(90)]

t.test('one value is replaced by its place, however long it and its text are', async (t) => {
  for (const size of [0, 1, 95, 96, 97, 5000]) {
    const numbers = [0, 7, 10, 99, 2 ** 31 - 1, 2 ** 31, 2 ** 53, -1, 1.5, 1e21]
    for (const value of ['', '7', '"é"', `"${'x'.repeat(200)}"`, ...numbers]) {
      const [before, old, after] = ['a'.repeat(size), 'b'.repeat(size), 'c'.repeat(size)]
      const bytes = Buffer.from(`${before}${old}${after}`)
      const place = { start: size, end: 2 * size }
      t.equal(replace(bytes, place, value).toString(), `${before}${value}${after}`)
      t.equal(bytes.toString(), `${before}${old}${after}`, 'the bytes stay as they are')
    }
  }
})

t.test('whatever the JSON, the values asked for change and nothing else', async (t) => {
  const random = randomFrom(2026)
  let checked = 0
  for (let round = 0; round < 1500; round++) {
    const text = randomObject(random, 2 ** Math.ceil(random() * 12))
    const bytes = Buffer.from(text)
    const parsed: unknown = JSON.parse(text)
    for (const path of pathsIn(parsed)) {
      const found = valueText(bytes, path)
      const isSame = found !== undefined && normal(found) === JSON.stringify(valueAt(parsed, path))
      if (!isSame) t.fail(`found ${found} at ${JSON.stringify(path)} of ${text}`)
      const changed = splice(bytes, [{ path, text: '"\\u0000 new"' }])
      const back = splice(changed, [{ path, text: String(found) }])
      if (valueAt(JSON.parse(changed.toString()), path) !== '\0 new') t.fail(`not changed: ${text}`)
      if (!back.equals(bytes)) t.fail(`something else has changed: ${text}`)
      checked++
    }
    for (const name of strangers) {
      if (!Object.hasOwn(parsed as object, name) && valueText(bytes, [name]) !== undefined) {
        t.fail(`found ${name} in ${text}`)
      }
    }
  }
  t.ok(checked > 2000, `${checked} values`)
})

t.test('two values of one message change together as they do one by one', async (t) => {
  const random = randomFrom(728)
  let checked = 0
  for (let round = 0; round < 200; round++) {
    const text = randomObject(random, 500)
    const bytes = Buffer.from(text)
    const top = Object.keys(JSON.parse(text) as object)
    if (top.length < 2) continue
    const [one, other] = [
      { path: [top.at(-1) as string], text: '1' },
      { path: [top[0] as string], text: '{}' }
    ]
    const together = splice(bytes, [one, other])
    if (!together.equals(splice(splice(bytes, [one]), [other]))) t.fail(text)
    checked++
  }
  t.ok(checked > 50, `${checked} messages`)
})

t.test('depth is no matter, and is not held against the stack', async (t) => {
  const deep = deepObject(200_000)
  const text = `{"deep":${deep},"id":5}`
  t.equal(at(text, 'id'), '5')
  t.equal(at(text, 'deep')?.length, deep.length)
})

// What would take time by the square of its length takes hours here.
t.test('the time that it takes grows as the message does, whatever is in it', async (t) => {
  const size = 10 * 1024 * 1024
  const fillings = {
    'a plain string': `"${'x'.repeat(size)}"`,
    'escaped quotes': `"${'\\"'.repeat(size / 2)}"`,
    backslashes: `"${'\\\\'.repeat(size / 2)}"`,
    'open brackets': `${'['.repeat(size / 2)}${']'.repeat(size / 2)}`,
    'small numbers': `[${'1,'.repeat(size / 2)}1]`,
    'the same name': `{${'"id":1,'.repeat(size / 7)}"id":2}`,
    'white space': `[${' '.repeat(size)}]`
  }
  for (const [name, filling] of Object.entries(fillings)) {
    const bytes = Buffer.from(`{"jsonrpc":"2.0","params":${filling},"id":12}`)
    const changed = splice(bytes, [{ path: ['id'], text: '"a"' }])
    const head = bytes.length - 3
    t.ok(changed.subarray(0, head).equals(bytes.subarray(0, head)), name)
    t.equal(changed.subarray(head).toString(), '"a"}')
  }
  const name = Buffer.from(`{"${'x'.repeat(size)}":1,"id":2}`)
  t.strictSame(findValue(name, ['id']), { start: name.length - 2, end: name.length - 1 })
})
