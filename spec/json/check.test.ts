// checkJson against JSON.parse: the two agree on every text, and the check is cheap for hostile ones.

import t from 'tap'
import { checkJson } from '../../lib/json/check.ts'
import { randomFrom } from '../interop/random-json.ts'

const checks = (text: string): boolean => {
  try {
    checkJson(Buffer.from(text))
    return true
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return false
  }
}

const parses = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

t.test('it accepts and refuses what JSON.parse does', async (t) => {
  const texts = [
    ...['', ' ', '{}', '[]', ' [ ] ', '{"a":1}', '{"a":{"b":[1,{"c":null}]}}', '[[],{},[{}]]'],
    ...[
      '[1,]',
      '[,1]',
      '[1 2]',
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
      '{a:1}',
      '{1:1}',
      '{"a" 1}',
      '[}',
      '{]'
    ],
    ...['[', '{', '{"a":1', '[1', ']', '}', '[]]', '{}{}', '1 1', '"a" "b"'],
    ...['true', 'false', 'null', 'tru', 'nul', 'truex', 'NaN', 'Infinity', 'undefined'],
    ...[
      '0',
      '-0',
      '-',
      '01',
      '1.',
      '.1',
      '1.5',
      '1e5',
      '1E+5',
      '1e-5',
      '1e',
      '1e+',
      '+1',
      '0x1',
      '1_0'
    ],
    ...[
      '"a"',
      '"',
      '"a',
      '"\\"',
      '"\\n"',
      '"\\x"',
      '"\\u00e9"',
      '"\\u00eG"',
      '"\\',
      '"\\u00',
      '"\t"',
      '"\u007f"'
    ],
    ...['"é😀"', '\ufeff{}', '\u00a0{}', '\v1', ' \t\r\n1 ']
  ]
  for (const text of texts) t.equal(checks(text), parses(text), JSON.stringify(text))
})

t.test('it agrees with JSON.parse on texts with random changes', async (t) => {
  const random = randomFrom(9)
  const pick = (count: number): number => Math.floor(random() * count)
  const bases = [
    '{"a":[1,2,{"b":null}],"c":"x\\u00e9\\n","d":-1.5e+10,"e":true,"f":false}',
    '[[[]],{}, 0 , -0.1e1 ]',
    '{"":{"x":[{}]}}'
  ]
  const characters = '{}[]",:0123456789.eE+-tfnulras\\ \n\t'
  let differences = 0
  for (let round = 0; round < 20_000; round++) {
    let text = bases[pick(bases.length)] as string
    for (let change = pick(4); change >= 0; change--) {
      const at = pick(text.length + 1)
      text = text.slice(0, at) + characters[pick(characters.length)] + text.slice(at + pick(2))
    }
    if (checks(text) !== parses(text)) {
      differences++
      t.fail(JSON.stringify(text))
    }
  }
  t.equal(differences, 0)
})

t.test('a megabyte of the worst JSON takes less than 100 ms', async (t) => {
  const count = 1_000_000
  for (const text of [
    `[${'{},'.repeat(count / 3)}{}]`,
    `[${'1,'.repeat(count / 2)}1]`,
    '['.repeat(count / 2) + ']'.repeat(count / 2),
    `"${'\\u0000'.repeat(count / 6)}"`
  ]) {
    const bytes = Buffer.from(text)
    // CPU time, since other tests run at the same time.
    const times = Array.from({ length: 5 }, () => {
      const before = process.cpuUsage()
      checkJson(bytes)
      const { user, system } = process.cpuUsage(before)
      return (user + system) / 1000
    })
    t.ok(Math.min(...times) < 100, text.slice(0, 20))
  }
})
