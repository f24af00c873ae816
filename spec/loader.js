// What tap has the process of each test file load. tap's own plugin for TypeScript, which is turned
// off by TAP_TYPE_STRIP_ONLY, would load the compiler in each of them.
//
// Types are replaced by blanks, as Node does by itself from 22.18 on. Every line and column stays
// where it is, so neither coverage nor a stack trace needs a source map.

import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { register } from 'node:module'
import { isMainThread } from 'node:worker_threads'
import processOnSpawn from 'process-on-spawn'

const root = new URL('../', import.meta.url)
const cache = new URL('node_modules/.cache/spec/', root)

if (isMainThread) {
  if (!process.features.typescript) register(import.meta.url)
  // tap would have every process that a test starts load what measures coverage. They run fixtures,
  // and the command as it is built: there is nothing to measure, and their start-up takes three
  // times as long. One that runs a file of lib is to be started with this process's own arguments.
  processOnSpawn.removeAllListeners()
  delete process.env.NODE_OPTIONS
}

/** Node calls this for each module, in a thread of its own. */
export async function load(url, context, nextLoad) {
  if (!url.startsWith(root.href) || !url.endsWith('.ts')) return nextLoad(url, context)
  const loaded = await nextLoad(url, { ...context, format: 'module' })
  const source = String(loaded.source)
  if (kept(source) === undefined) await keep(source)
  return { ...loaded, source: kept(source) }
}

/** Where a source is kept without its types, whichever file it is of. */
const place = (source) => new URL(`${createHash('sha256').update(source).digest('hex')}.js`, cache)

function kept(source) {
  try {
    return readFileSync(place(source))
  } catch {
    return undefined
  }
}

/** Keeps this one and all others that are new, in less time than the compiler takes to load. */
async function keep(source) {
  const { default: blank } = await import('ts-blank-space')
  mkdirSync(cache, { recursive: true })
  for (const each of [source, ...sources()]) {
    if (kept(each) !== undefined) continue
    // Processes that do the same at the same time see all of a file or none.
    const part = new URL(`${process.pid}.part`, cache)
    writeFileSync(part, blank(each))
    renameSync(part, place(each))
  }
}

function* sources() {
  for (const directory of [new URL('lib/', root), new URL('spec/', root)]) {
    for (const name of readdirSync(directory, { recursive: true })) {
      if (name.endsWith('.ts')) yield readFileSync(new URL(name, directory), 'utf8')
    }
  }
}
