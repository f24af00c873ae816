import { test } from 'tap'
import { blankExtras } from '../../lib/config/blank-extras.ts'

test('comments and trailing commas become spaces, and strings stay', (t) => {
  const cases = [
    ['{"a": 1}', '{"a": 1}'],
    ['[1, // one\r2 // two\r\n, 3]', '[1,       \r2       \r\n, 3]'],
    ['[1 /* a\r\nb */]', '[1     \r\n    ]'],
    ['{"a": 1, // one\n}', '{"a": 1        \n}'],
    ['[1, /* two\nlines */ 2,\t]', '[1,       \n         2 \t]'],
    ['[1, // a\n/* b */ ]', '[1      \n        ]'],
    ['["//", "/*", "*/", ",]", "\\"//\\\\"] // x', '["//", "/*", "*/", ",]", "\\"//\\\\"]     '],
    ['[1,, 2,]', '[1,, 2 ]'],
    ['[[1,],]', '[[1 ] ]'],
    // These are no JSON, so the parser has to find them.
    ['[1, / ]', '[1  / ]'],
    ['[1 /* 2 /* 3]', '[1 /* 2 /* 3]'],
    ['["a, // b', '["a, // b'],
    ['["a\\', '["a\\'],
    ['// the end', '          ']
  ] as const
  for (const [text, expected] of cases) t.equal(blankExtras(text), expected, text)
  t.end()
})

test('a long file takes time in proportion to its size', (t) => {
  for (const part of [
    '"a",',
    ', // x\n',
    '//',
    '//\r',
    '/* ',
    '/* a */,',
    '\\',
    '"\\"',
    ',]',
    '/'
  ]) {
    const text = part.repeat(1_000_000 / part.length)
    const start = process.cpuUsage()
    t.equal(blankExtras(text).length, text.length)
    const { user } = process.cpuUsage(start)
    t.ok(user < 1_000_000, `${part}: ${user / 1000} ms`)
  }
  t.end()
})
