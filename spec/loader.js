// Loads TypeScript in each test process, which tap starts with `--import=./spec/loader.js`. A module
// hook replaces types by blanks, as Node does without a hook since 22.18. Every line and column keeps
// its place, so neither coverage nor a stack trace needs a source map.
//
// `node_modules/.cache/spec` keeps the results, one file for each hash of a source. The first process
// that misses a result makes all of them, so few processes load the package that removes types. tap's
// plugin for TypeScript would load the compiler in every process; TAP_TYPE_STRIP_ONLY turns it off.

import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { register } from 'node:module'
import { isMainThread } from 'node:worker_threads'
import processOnSpawn from 'process-on-spawn'

const root = new URL('../', import.meta.url)
const cache = new URL('node_modules/.cache/spec/', root)

if (isMainThread) {
  if (!process.features.typescript) register(import.meta.url)
  // tap measures coverage in every child process of a test too. Children run fixtures or the built
  // command, where there is nothing to measure, and they would take three times as long to start. A
  // test that runs a file of lib in a child passes on its own `process.execArgv`.
  processOnSpawn.removeAllListeners()
  delete process.env.NODE_OPTIONS
}

/** The hook: Node calls it for each module, in a separate thread. */
export async function load(url, context, nextLoad) {
  if (!url.startsWith(root.href) || !url.endsWith('.ts')) return nextLoad(url, context)
  const loaded = await nextLoad(url, { ...context, format: 'module' })
  const source = String(loaded.source)
  if (readCache(source) === undefined) await fillCache(source)
  return { ...loaded, source: readCache(source) }
}

const cacheFile = (source) =>
  new URL(`${createHash('sha256').update(source).digest('hex')}.js`, cache)

function readCache(source) {
  try {
    return readFileSync(cacheFile(source))
  } catch {
    return undefined
  }
}

async function fillCache(source) {
  const { default: blankTypes } = await import('ts-blank-space')
  mkdirSync(cache, { recursive: true })
  for (const each of [source, ...sources()]) {
    if (readCache(each) !== undefined) continue
    // Other processes may do the same now. The rename shows them the whole file or none.
    const part = new URL(`${process.pid}.part`, cache)
    writeFileSync(part, blankTypes(each))
    renameSync(part, cacheFile(each))
  }
}

function* sources() {
  for (const directory of [new URL('lib/', root), new URL('spec/', root)]) {
    for (const name of readdirSync(directory, { recursive: true })) {
      if (name.endsWith('.ts')) yield readFileSync(new URL(name, directory), 'utf8')
    }
  }
}
