// Writes the matrix into README.md, between its two markers: a row for each fault, a column for each
// place, and a numbered list of the reasons why a fault cannot happen at a place.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { format, resolveConfig } from 'prettier'
import { pathOf } from './cell.js'
import { outcomes } from './ledger.js'

const readme = pathOf('README.md')
const begin = '<!-- faults:begin -->'
const end = '<!-- faults:end -->'

// Read at the start, because the checkout may change during a run.
const commit = execFileSync('git', ['rev-parse', '--short=10', 'HEAD'], { cwd: pathOf('.') })

/** The outcomes of a cell that are not zero. */
export const textOf = (counts) =>
  outcomes
    .filter((name) => counts[name] > 0)
    .map((name) => `${counts[name]} ${name}`)
    .join(', ')

/** Returns the whole text between the markers. */
function render(matrix, { rows, places, total }) {
  const reasons = []
  const cellOf = ({ dash, counts }) => {
    if (dash !== undefined) {
      if (!reasons.includes(dash)) reasons.push(dash)
      return `— (${reasons.indexOf(dash) + 1})`
    }
    const { delivered, errored, ...others } = counts
    const rest = textOf(others)
    return `${delivered} / ${errored}${rest && ` **${rest}**`}`
  }
  const line = (cells) => `| ${cells.join(' | ')} |`
  const columns = Object.keys(places)
  const body = [...matrix].map(([name, cells]) =>
    line([rows[name].title, ...columns.map((column) => cellOf(cells.get(column)))])
  )
  const date = new Date().toISOString().slice(0, 10)
  return [
    `${date}, commit ${String(commit).trim()}, Node.js ${process.version}. In all cells together: ` +
      `${outcomes.map((name) => `${total[name]} ${name}`).join(', ')}.`,
    '',
    line(['fault', ...columns.map((column) => places[column].title)]),
    line(['---', ...columns.map(() => '---')]),
    ...body,
    '',
    ...reasons.map((reason, i) => `${i + 1}. ${reason}`)
  ].join('\n')
}

export async function writeMatrix(matrix, about) {
  const before = readFileSync(readme, 'utf8')
  const [from, to] = [before.indexOf(begin), before.indexOf(end)]
  if (from === -1 || to < from) throw new Error(`no ${begin} and ${end} in README.md`)
  const options = { ...(await resolveConfig(readme)), parser: 'markdown' }
  const text = await format(render(matrix, about), options)
  const kept = [before.slice(0, from + begin.length), before.slice(to)]
  writeFileSync(readme, kept.join(`\n\n${text}\n`))
}
