// Whether coverage told of every file of lib: one that no test loads is not in the report, and would
// count as covered. To be run after the tests.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { transformSync } from 'esbuild'
import { files } from '../spec/coverage.js'

// That it fails below 100 % was told by the tests.
spawnSync('npx', ['tap', 'report', 'json-summary'], { stdio: ['ignore', 'ignore', 'inherit'] })
const report = readFileSync('.tap/report/coverage-summary.json', 'utf8')

// A file of types alone is no file when it runs.
const hasCode = (file) =>
  transformSync(readFileSync(file, 'utf8'), { loader: 'ts' }).code.trim() !== ''

const missing = files.filter((file) => hasCode(file) && !report.includes(`/${file}":`))
for (const file of missing) console.error(`no test loads ${file}`)
if (missing.length > 0) process.exitCode = 1
