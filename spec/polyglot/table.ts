// The table of results in README.md, between its two markers: one row for each SDK, one column for each
// way, and a numbered list of the reasons for what did not work.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'

export const readme = fileURLToPath(new URL('../../README.md', import.meta.url))

const begin = '<!-- polyglot:begin -->'
const end = '<!-- polyglot:end -->'

export interface Cell {
  /** What worked. */
  text: string
  reasons: string[]
}

export interface Row {
  title: string
  cells: Cell[]
}

export async function render(columns: string[], rows: Row[]): Promise<string> {
  const notes = [...new Set(rows.flatMap(({ cells }) => cells.flatMap(({ reasons }) => reasons)))]
  const numbers = (cell: Cell): string =>
    cell.reasons.map((reason) => ` (${notes.indexOf(reason) + 1})`).join('')
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`
  const text = [
    line(['', ...columns]),
    line(['', ...columns].map(() => '---')),
    ...rows.map(({ title, cells }) =>
      line([title, ...cells.map((cell) => cell.text + numbers(cell))])
    ),
    '',
    ...notes.map((note, i) => `${i + 1}. ${note}`)
  ].join('\n')
  return format(text, { ...(await resolveConfig(readme)), parser: 'markdown' })
}

/** Returns the table that the README has. */
export function tableIn(text: string): string {
  const [from, to] = range(text)
  return `${text.slice(from, to).trim()}\n`
}

export function withTable(text: string, table: string): string {
  const [from, to] = range(text)
  return `${text.slice(0, from)}\n\n${table}\n${text.slice(to)}`
}

function range(text: string): [number, number] {
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from === -1 || to < from) throw new Error(`no ${begin} and ${end} in README.md`)
  return [from + begin.length, to]
}

/** Reads the rows of a table that `render` has made. */
export function rowsOf(table: string): Row[] {
  const notes = new Map(
    [...table.matchAll(/^(\d+)\. ([^]*?)(?=\n\d+\. |\n*$(?![^]))/gm)].map(
      ([, number, note = '']) => [number, note.replace(/\s+/g, ' ').trim()]
    )
  )
  const lines = table.split('\n').filter((line) => line.startsWith('|'))
  return lines.slice(2).map((line) => {
    const [title = '', ...cells] = line.split('|').slice(1, -1)
    return {
      title: title.trim(),
      cells: cells.map((cell) => ({
        text: cell.replace(/ \(\d+\)/g, '').trim(),
        reasons: [...cell.matchAll(/ \((\d+)\)/g)].map(([, number]) => notes.get(number) ?? '')
      }))
    }
  })
}

export const tableOfReadme = (): string => tableIn(readFileSync(readme, 'utf8'))
