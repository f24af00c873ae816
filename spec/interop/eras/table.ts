// The table of the README that says which features work between which eras.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'
import type { Era } from './features.ts'

export const readme = fileURLToPath(new URL('../../../README.md', import.meta.url))
const begin = '<!-- eras:begin -->'
const end = '<!-- eras:end -->'

/** The pairs of client and server, in the order of the columns. */
export const pairs: [client: Era, server: Era][] = [
  ['legacy', 'legacy'],
  ['legacy', 'modern'],
  ['modern', 'legacy'],
  ['modern', 'modern']
]

/** What cannot work, because one of the revisions has no words for it: feature → pair → clause. */
export const impossible: Record<string, Record<string, string>> = {
  tasks: {
    'legacy modern':
      'the tasks of 2025-11-25 became an extension with other messages (2026-07-28, Changelog)',
    'modern legacy':
      'the tasks of 2025-11-25 became an extension with other messages (2026-07-28, Changelog)'
  }
}

/** Feature → pair → whether it works in every way to connect. */
export type Results = Map<string, Map<string, boolean>>

export async function withTable(text: string, results: Results): Promise<string> {
  const [before, after] = [text.indexOf(begin), text.indexOf(end)]
  if (before === -1 || after < before) throw new Error(`no ${begin} and ${end}`)
  const table = await format(render(results), {
    ...(await resolveConfig(readme)),
    parser: 'markdown'
  })
  return `${text.slice(0, before)}${begin}\n\n${table}\n${text.slice(after)}`
}

function render(results: Results): string {
  const notes: string[] = []
  const mark = (reason: string): string => {
    if (!notes.includes(reason)) notes.push(reason)
    return `– (${notes.indexOf(reason) + 1})`
  }
  const head = ['feature', ...pairs.map(([client, server]) => `${client} client, ${server} server`)]
  const rows = [...results].map(([feature, row]) => [
    feature,
    ...pairs.map(([client, server]) => {
      const pair = `${client} ${server}`
      const reason = impossible[feature]?.[pair]
      if (reason !== undefined) return mark(reason)
      return row.get(pair) === true ? '✓' : '✗'
    })
  ])
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`)
  const list = notes.map((note, index) => `${index + 1}. ${note}`)
  return `${lines.join('\n')}\n\n${list.join('\n')}\n`
}

/** Compares the README with the results. With WRITE_README in the environment, it writes the table. */
export async function compare(results: Results): Promise<{ found: string; wanted: string }> {
  const found = readFileSync(readme, 'utf8')
  const wanted = await withTable(found, results)
  if (process.env.WRITE_README !== undefined) writeFileSync(readme, wanted)
  return { found: process.env.WRITE_README === undefined ? found : wanted, wanted }
}
