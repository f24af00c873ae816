// The tables of results in README.md agree with the projects in fixtures/polyglot.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { peersIn } from './peers.ts'
import { noModern, reasons } from './reasons.ts'
import { readme, render, rowsOf, tableIn, withTable } from './table.ts'
import { waysOf } from './ways.ts'

const text = readFileSync(readme, 'utf8')
const rows = rowsOf(tableIn(text))

t.test('the README has a row for each SDK, in the version that the check uses', async (t) => {
  const { all, built } = peersIn('/nowhere')
  t.strictSame(
    rows.map(({ title }) => title),
    all.map(({ title, version }) => `${title} ${version}`)
  )
  t.ok(built.every(({ name }) => name === 'none'))
})

t.test('the rows that are read from the README give the same tables', async (t) => {
  const table = await render(waysOf([]), rows)
  t.equal(table, tableIn(text))
  t.equal(withTable(text, table), text)
})

t.test('each cell without a success names a reason that the check knows', async (t) => {
  const known = [noModern, ...reasons.map(({ text }) => text)]
  for (const { title, cells } of rows) {
    t.equal(cells.length, waysOf([]).length, title)
    for (const cell of cells) {
      t.equal(cell.text === 'all', cell.reasons.length === 0, `${title}: ${cell.text}`)
      for (const reason of cell.reasons) t.ok(known.includes(reason), `${title}: ${reason}`)
    }
  }
})

t.test('a README without the markers is refused', async (t) => {
  t.throws(() => tableIn('# mcp-duplex'), { message: /no <!-- polyglot:begin -->/ })
})
