// Fails if the coverage report lacks a file of lib. A file that no test loads is not in the report, so
// tap does not count it as uncovered. Run this after the tests. `spec/coverage.js` says which files do not
// count: the view of the traffic page, which runs only in a browser.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { transformSync } from 'esbuild'
import { files } from '../spec/coverage.js'

// It exits with an error below 100 %, which the tests have reported already.
spawnSync('npx', ['tap', 'report', 'json-summary'], { stdio: ['ignore', 'ignore', 'inherit'] })
const report = readFileSync('.tap/report/coverage-summary.json', 'utf8')

// A file with types only has no code to cover.
const hasCode = (file) =>
  transformSync(readFileSync(file, 'utf8'), { loader: 'ts' }).code.trim() !== ''

const missing = files.filter((file) => hasCode(file) && !report.includes(`/${file}":`))
for (const file of missing) console.error(`no test loads ${file}`)
if (missing.length > 0) process.exitCode = 1
