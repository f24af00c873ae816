// Writes the table of flags into README.md, between its two markers: npm run readme

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'
import { flagRows } from '../../lib/cli/flag-rows.ts'
import { groups } from '../../lib/cli/flags.ts'

export const readme = fileURLToPath(new URL('../../README.md', import.meta.url))

const begin = '<!-- flags:begin -->'
const end = '<!-- flags:end -->'

/** The same text with new tables between the markers, in prettier's layout. */
export async function withFlagTables(text: string): Promise<string> {
  const [before, after] = [text.indexOf(begin), text.indexOf(end)]
  if (before === -1 || after < before) throw new Error(`no ${begin} and ${end}`)
  const tables = await format(renderTables(), {
    ...(await resolveConfig(readme)),
    parser: 'markdown'
  })
  return `${text.slice(0, before)}${begin}\n\n${tables}\n${text.slice(after)}`
}

function renderTables(): string {
  return groups
    .map(({ title, flags }) => {
      const rows = flagRows(flags).map(({ heading, text, byDefault }) => {
        const ways = heading.split(/, (?=--)/).map((way) => `\`${way}\``)
        // A bar would begin another cell, also in code.
        const cells = [ways.join(', '), byDefault, text].map((cell) => cell.replaceAll('|', '\\|'))
        return `| ${cells.join(' | ')} |`
      })
      return `${title}:\n\n| flag | default | meaning |\n| --- | --- | --- |\n${rows.join('\n')}\n`
    })
    .join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(readme, await withFlagTables(readFileSync(readme, 'utf8')))
}
