// The history of the bench, for `--save`: one line of history.ndjson for each run, with its ratios.

import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { otherVersions } from './other-proxies.js'
import { ours } from './proxies.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const file = fileURLToPath(new URL('./history.ndjson', import.meta.url))

/** Ratios that differ by less count as equal: two runs never give exactly the same. */
const tolerance = 0.05

/**
 * Prints what changed since the earlier runs and appends this one.
 * @param ratios by `title: label: name`
 */
export function save(ratios) {
  const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))
  const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim()
  const changed = git('status', '--porcelain', '--', 'lib', 'bin', 'package-lock.json') !== ''
  const entry = {
    date: new Date().toISOString(),
    commit: `${git('rev-parse', '--short', 'HEAD')}${changed ? ' and changes' : ''}`,
    versions: { [ours]: version, node: process.version, ...otherVersions() },
    cores: cpus().length,
    ratios
  }
  printChanges(ratios)
  appendFileSync(file, `${JSON.stringify(entry)}\n`)
}

function printChanges(ratios) {
  if (!existsSync(file)) return
  // A run does not always measure everything: take the last entry that has the ratio.
  const earlier = new Map()
  for (const line of readFileSync(file, 'utf8').trim().split('\n')) {
    const { commit, ratios } = JSON.parse(line)
    for (const [name, ratio] of Object.entries(ratios)) earlier.set(name, { ratio, commit })
  }
  console.log(`\nRatios that changed by more than ${tolerance * 100} % since they were last saved`)
  for (const [name, ratio] of Object.entries(ratios)) {
    const last = earlier.get(name)
    if (last === undefined) {
      console.log(`${name}: new, ${ratio}`)
      continue
    }
    const change = ratio / last.ratio - 1
    if (Math.abs(change) <= tolerance) continue
    const percent = `${change > 0 ? '+' : ''}${(change * 100).toFixed(0)} %`
    console.log(`${name}: ${last.ratio} (at ${last.commit}), now ${ratio}: ${percent}`)
  }
}
