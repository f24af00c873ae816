// Patterns for names.

import t from 'tap'
import { Glob } from '../../../lib/wrappers/filter/glob.ts'

const cases: [pattern: string, matches: string[], others: string[]][] = [
  ['read', ['read'], ['', 'rea', 'reads', 'Read']],
  ['', [''], ['a']],
  ['*', ['', 'a', 'a/b', 'é'], []],
  ['**', ['', 'ab'], []],
  ['read_*', ['read_', 'read_file'], ['read', 'aread_file']],
  ['*_file', ['_file', 'read_file'], ['read_files', 'file']],
  ['a*b', ['ab', 'aab', 'a_b_b'], ['a', 'b', 'aba', 'ba']],
  ['a*a', ['aa', 'aba'], ['a']],
  ['*a*b*', ['ab', 'xaxbx', 'aab'], ['ba', 'a', 'b']],
  ['a*bc*c', ['abcc', 'abcbcc'], ['abc', 'ac']],
  ['?', ['a', '😀'], ['', 'ab']],
  ['a?c*', ['abc', 'abcd'], ['ac', 'abd']],
  ['*?x', ['ax', 'abx'], ['x']],
  ['file:///docs/*', ['file:///docs/a/b.md'], ['file:///docs', 'file:///doc/a']],
  ['a.b[c](d)+$^', ['a.b[c](d)+$^'], ['axb[c](d)+$^']]
]

for (const [pattern, matches, others] of cases) {
  t.test(`the pattern '${pattern}'`, async (t) => {
    const glob = new Glob(pattern)
    for (const name of matches) t.ok(glob.matches(name), `matches '${name}'`)
    for (const name of others) t.notOk(glob.matches(name), `does not match '${name}'`)
  })
}

t.test('a long name takes time in proportion to its size', async (t) => {
  const glob = new Glob(`${'*a'.repeat(20)}*b`)
  const began = performance.now()
  t.notOk(glob.matches('a'.repeat(100_000)))
  t.ok(performance.now() - began < 2000)
})
