// The results in README.md, between its two markers: a table for each era, with a row for each SDK and a
// column for each way, and a numbered list of the reasons for what did not work.

import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'
import type { Way } from './ways.ts'

export const readme = fileURLToPath(new URL('../../README.md', import.meta.url))

const begin = '<!-- polyglot:begin -->'
const end = '<!-- polyglot:end -->'

const headings = { legacy: 'opened with `initialize`', modern: '2026-07-28' }

export interface Cell {
  /** What worked. */
  text: string
  reasons: string[]
}

export interface Row {
  title: string
  cells: Cell[]
}

export async function render(ways: Way[], rows: Row[]): Promise<string> {
  const notes = [...new Set(rows.flatMap(({ cells }) => cells.flatMap(({ reasons }) => reasons)))]
  const numbers = ({ reasons }: Cell): string =>
    reasons.map((reason) => ` (${notes.indexOf(reason) + 1})`).join('')
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`
  const tables = Object.entries(headings).map(([era, heading]) => {
    const columns = [...ways.keys()].filter((i) => ways[i]?.era === era)
    const head = [heading, ...columns.map((i) => ways[i]?.title ?? '')]
    const body = rows.map(({ title, cells }) => {
      const found = columns.map((i) => cells[i] as Cell)
      return line([title, ...found.map((cell) => cell.text + numbers(cell))])
    })
    return [line(head), line(head.map(() => '---')), ...body, ''].join('\n')
  })
  const list = notes.map((note, i) => `${i + 1}. ${note}`).join('\n')
  const text = [...tables, list].join('\n')
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

/** Reads the rows from what `render` has made. */
export function rowsOf(text: string): Row[] {
  const notes = [...text.matchAll(/^\d+\. (.*)$/gm)].map(([, note = '']) => note)
  const cellOf = (cell: string): Cell => ({
    text: cell.replace(/ \(\d+\)/g, '').trim(),
    reasons: [...cell.matchAll(/ \((\d+)\)/g)].map(([, number]) => notes[Number(number) - 1] ?? '')
  })
  const rows = new Map<string, Cell[]>()
  for (const [, title = '', rest = ''] of text.matchAll(/^\| (\[.*?)\|(.*)\|$/gm)) {
    const cells = rest.split('|').map(cellOf)
    rows.set(title.trim(), [...(rows.get(title.trim()) ?? []), ...cells])
  }
  return [...rows].map(([title, cells]) => ({ title, cells }))
}
