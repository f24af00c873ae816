// Compares our parser of command lines with the reference's: compare.ts PYTHON [COUNT] [SEED]
//
// Each difference must have a row in the table of lib/cli/README.md, found by its first cell. A
// difference without a row fails the run. A row that no command line shows does not, because other
// versions of Python have other rules.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { differences } from './differences.ts'
import type { Case, Difference } from './differences.ts'
import { generatorOf, randomOf } from './generate.ts'
import { fromOurs, fromReference } from './outcome.ts'
import type { Answer } from './outcome.ts'

const [python = 'python3', count = '20000', seed = '1'] = process.argv.slice(2)
const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname
const scratch = mkdtempSync(join(tmpdir(), 'reference-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
const file = join(scratch, 'servers.json')
const pem = join(scratch, 'ca.pem')
writeFileSync(file, '{"mcpServers":{"file":{"command":"from-file"}}}')
writeFileSync(pem, '')

const generate = generatorOf(randomOf(Number(seed)), file, pem)
const lines = Array.from({ length: Number(count) }, generate)
const { stdout, stderr, status } = spawnSync(python, [join(here, 'parse.py')], {
  input: lines.map((argv) => `${JSON.stringify(argv)}\n`).join(''),
  encoding: 'utf8',
  maxBuffer: 2 ** 30,
  env: { PATH: process.env.PATH }
})
if (status !== 0) throw new Error(`the reference failed: ${stderr}`)
const answers = stdout
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Answer)

const counts = new Map(differences.map(({ title }) => [title, 0]))
const unknown: string[] = []
let equal = 0
let listed = 0
for (const [i, argv] of lines.entries()) {
  const reference = fromReference(answers[i] as Answer)
  const ours = await fromOurs(argv)
  if ('error' in ours ? 'error' in reference : isDeepStrictEqual(ours, reference)) {
    equal++
    continue
  }
  const about: Case = { argv, ours, reference }
  const found = explain(about)
  if (found.includes(undefined)) {
    const texts = [argv, ours, reference].map((value) => JSON.stringify(value))
    unknown.push(texts.join('\n  '))
    continue
  }
  listed++
  for (const { title } of found as Difference[]) counts.set(title, (counts.get(title) ?? 0) + 1)
}

/** Returns the difference that explains each part of a case; undefined where there is none. */
function explain(about: Case): (Difference | undefined)[] {
  const { ours, reference } = about
  const refusal = 'error' in ours ? String(ours.error) : undefined
  const mistake = 'error' in reference ? String(reference.error) : undefined
  if (refusal !== undefined) return [differences.find(({ refused }) => refused?.(refusal, about))]
  if (mistake !== undefined) return [differences.find(({ accepted }) => accepted?.(mistake, about))]
  const names = Object.keys({ ...ours, ...reference })
  const differs = names.filter((name) => !isDeepStrictEqual(ours[name], reference[name]))
  // Two modes have nothing in common.
  const parts = differs.includes('mode') ? ['mode'] : differs
  return parts.map((name) => differences.find(({ member }) => member?.(name, about)))
}

console.log(
  `${lines.length} command lines: ${equal} equal, ${listed} with a listed difference, ${unknown.length} others`
)
for (const [title, times] of counts) console.log(`  ${times} ${title}`)
const readme = readFileSync(new URL('../../lib/cli/README.md', import.meta.url), 'utf8')
const unlisted = [...counts.keys()].filter((title) => !readme.includes(`| ${title} `))
const unseen = [...counts].filter(([, times]) => times === 0).map(([title]) => title)
for (const text of unknown.slice(0, 20)) console.error(`not listed: ${text}`)
for (const title of unlisted) console.error(`not in lib/cli/README.md: ${title}`)
for (const title of unseen) console.error(`no command line shows: ${title}`)
if (unknown.length + unlisted.length > 0) process.exitCode = 1
