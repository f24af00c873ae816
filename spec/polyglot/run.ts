// Joins clients and servers of several SDKs through the proxy: run.ts BUILD [--write] [NAME…]
//
// BUILD is the directory where .ci/polyglot has built the programs of fixtures/polyglot. The results
// are compared with the table in README.md, or written there. A row whose program is missing, or that
// has none of the names, is left as it is. A failure for which reasons.ts has no reason fails the run.

import { readFileSync, writeFileSync } from 'node:fs'
import { peersIn } from './peers.ts'
import type { Peer } from './peers.ts'
import { noModern, reasons } from './reasons.ts'
import { readme, render, rowsOf, tableIn, withTable } from './table.ts'
import type { Cell, Row } from './table.ts'
import { otherTitle, steps, waysOf } from './ways.ts'
import type { Way } from './ways.ts'

const [build = '', ...words] = process.argv.slice(2)
const write = words.includes('--write')
const names = words.filter((word) => word !== '--write')

const { all, built } = peersIn(build)
const chosen = built.filter(
  ({ title }) => names.length === 0 || names.some((name) => title.includes(name))
)
const complete = built.length === all.length
const columns = waysOf(built)
const titleOf = ({ title, version }: Peer): string => `${title} ${version}`
const before = tableIn(readFileSync(readme, 'utf8'))
const old = new Map(rowsOf(before).map((row) => [row.title, row]))

let unexplained = 0
const usedReasons = new Set<string>()

/** Runs one conversation. Without a reason for a failure, it runs once more. */
async function cellOf(peer: Peer, way: Way, again = false): Promise<Cell> {
  if (way.era === 'modern' && !peer.modern) return { text: '—', reasons: [noModern] }
  const failures = await way
    .converse(peer)
    .catch((error: unknown) =>
      steps.map((step) => ({ step, error: String(error), server: peer.name }))
    )
  const texts = new Set<string>()
  for (const { step, error, server } of failures) {
    const about = { client: peer.name, server, way, step, error }
    const reason = reasons.find(({ covers }) => covers(about))
    if (reason !== undefined) {
      texts.add(reason.text)
      continue
    }
    const where = `${titleOf(peer)}, ${way.era} ${way.title}, server of ${server}`
    console.log(`${where}: ${step}: ${error}${again ? '' : ' (tried again)'}`)
    if (!again) return cellOf(peer, way, true)
    unexplained++
    texts.add('unknown')
  }
  for (const text of texts) usedReasons.add(text)
  const failed = failures.map(({ step, server }) =>
    server === peer.name ? step : `${step} with ${server}`
  )
  const worked = failed.length === 0 ? 'all' : `all but ${failed.join(', ')}`
  return { text: failed.includes('connect') ? '—' : worked, reasons: [...texts] }
}

async function rowOf(peer: Peer): Promise<Row> {
  const start = Date.now()
  const title = titleOf(peer)
  const row: Row = { title, cells: [] }
  for (const [i, way] of columns.entries()) {
    // Without all servers, the column of the others would not be complete.
    const kept = way.title === otherTitle && !complete ? old.get(title)?.cells[i] : undefined
    row.cells.push(kept ?? (await cellOf(peer, way)))
  }
  const seconds = Math.round((Date.now() - start) / 1000)
  console.log(`${peer.name} (${seconds} s): ${row.cells.map(({ text }) => text).join(' | ')}`)
  return row
}

// Most of the time goes to waiting, so three SDKs run at once.
const rows = new Map<string, Row>()
const queue = [...chosen]
const workers = Array.from({ length: 3 }, async () => {
  for (let peer = queue.shift(); peer !== undefined; peer = queue.shift()) {
    rows.set(titleOf(peer), await rowOf(peer))
  }
})
await Promise.all(workers)

const kept = (peer: Peer): Row[] => {
  const row = rows.get(titleOf(peer)) ?? old.get(titleOf(peer))
  return row === undefined ? [] : [row]
}
const table = await render(columns, all.flatMap(kept))

if (chosen.length === all.length) {
  for (const { text } of reasons) {
    if (!usedReasons.has(text)) console.log(`no failure needs this reason now: ${text}`)
  }
}
if (write) writeFileSync(readme, withTable(readFileSync(readme, 'utf8'), table))
else if (table !== before) {
  console.error(`the table in README.md differs. It should be:\n${table}`)
  process.exitCode = 1
}
if (unexplained > 0) {
  console.error(`${unexplained} failures without a reason`)
  process.exitCode = 1
}
