// The ratios of earlier runs, a line each, and what has changed since the last of them.

import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { peerVersions } from './peers.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const file = fileURLToPath(new URL('./history.ndjson', import.meta.url))

/** A ratio that differs by less is the same: no two runs agree to the last digit. */
const sameWithin = 0.05

/** @param ratios by what they are of */
export function save(ratios) {
  const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))
  const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim()
  const changed = git('status', '--porcelain', '--', 'lib', 'bin', 'package-lock.json') !== ''
  const entry = {
    date: new Date().toISOString(),
    commit: `${git('rev-parse', '--short', 'HEAD')}${changed ? ' and changes' : ''}`,
    versions: { 'mcp-duplex': version, node: process.version, ...peerVersions() },
    cores: cpus().length,
    ratios
  }
  tellChanges(entry)
  appendFileSync(file, `${JSON.stringify(entry)}\n`)
}

function tellChanges({ ratios }) {
  if (!existsSync(file)) return
  // Of each ratio the last that there is: a run need not measure everything.
  const before = new Map()
  for (const line of readFileSync(file, 'utf8').trim().split('\n')) {
    const { commit, ratios } = JSON.parse(line)
    for (const [name, ratio] of Object.entries(ratios)) before.set(name, { ratio, commit })
  }
  console.log('\nwhat has changed since the last entry')
  for (const [name, ratio] of Object.entries(ratios)) {
    const last = before.get(name)
    const change = last === undefined ? Infinity : ratio / last.ratio - 1
    if (Math.abs(change) <= sameWithin) continue
    const percent = `${change > 0 ? '+' : ''}${(change * 100).toFixed(0)} %`
    console.log(
      last
        ? `${name}: ${last.ratio} (${last.commit}) → ${ratio}, ${percent}`
        : `${name}: new, ${ratio}`
    )
  }
}
