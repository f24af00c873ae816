// Reads the project's documents as far as tests need it: blocks of code, tables, headings.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** The text of a file of this project. */
export const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8')

export interface Block {
  language: string
  code: string
}

/** The blocks of code of a document, in their order. */
export const blocksIn = (text: string): Block[] =>
  [...text.matchAll(/^```(\w*)\n(.*?)^```/gms)].map(([, language = '', code = '']) => ({
    language,
    code
  }))

/** The blocks of code in one language. */
export const blocksOf = (text: string, language: string): string[] =>
  blocksIn(text)
    .filter((block) => block.language === language)
    .map(({ code }) => code)

/** The text without its blocks of code. */
export const proseOf = (text: string): string => text.replace(/^```.*?^```/gms, '')

/** The rows of all tables whose first column is called `name`, as cells without padding. */
export function rowsOf(text: string, name: string): string[][] {
  const tables = text.split('\n\n').filter((block) => block.startsWith(`| ${name} `))
  return tables.flatMap((table) => table.trim().split('\n').slice(2).map(cellsOf))
}

const cellsOf = (row: string): string[] =>
  row
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim())

/** The parts that each begin with a heading of this level: heading → the text below it. */
export function sectionsOf(text: string, level: number): Map<string, string> {
  const mark = '#'.repeat(level)
  const parts = `\n${text}`.split(`\n${mark} `).slice(1)
  return new Map(
    parts.map((part) => {
      const end = part.indexOf('\n')
      return [part.slice(0, end), part.slice(end + 1)]
    })
  )
}

/** What a link to each heading of a document ends in, after `#`. */
export const anchorsOf = (text: string): Set<string> =>
  new Set([...proseOf(text).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchor(heading)))

const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
