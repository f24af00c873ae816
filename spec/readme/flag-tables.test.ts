// README.md has the table of flags as lib/cli/flags.ts has it.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { readme, withFlagTables } from './flag-tables.ts'

const text = readFileSync(readme, 'utf8')

t.test('the tables of README.md are those of the flags: npm run readme', async (t) => {
  t.equal(await withFlagTables(text), text)
})

t.test('only the text between the markers is replaced', async (t) => {
  const between = /(?<=<!-- flags:begin -->).*(?=<!-- flags:end -->)/s
  t.match(text, between)
  t.equal(await withFlagTables(text.replace(between, '\n| a | b |\n')), text)
})

t.test('a README without markers is an error', async (t) => {
  await t.rejects(withFlagTables('# Readme\n'), { message: /flags:begin/ })
})
