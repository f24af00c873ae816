// What a small call costs, by cause: a table for each transport, with a row for each cause.
//
// A cost counts for the innermost function of its stack that has a cause. So what V8 does for a function
// counts for that function: the built-ins of the language, strings, memory. What JavaScript of the proxy
// costs is also divided by the folders of lib.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { addResult } from './results.js'
import { noProxy, transports, withCandidates } from './transports.js'

export const inFlight = 16

const ofProxy = 'JavaScript of the proxy'

// Cause → the names of its functions; the first that fits counts. A compiled function is `JS:` and a mark of
// its tier, then its name and its place.
const causes = [
  ['garbage collector', /Scaveng|MarkCompact|CollectGarbage|ArrayBufferSweeper/],
  [
    'compiler',
    /v8::internal::(compiler::|maglev::|baseline::|interpreter::|Compiler::|OptimizingCompile|Deopt)/
  ],
  ['kernel: write', /^(vfs_writev?|do_writev|ksys_write)\b/],
  ['kernel: read', /^(vfs_read|ksys_read)\b/],
  ['kernel: other', /^(do_syscall_64|entry_SYSCALL_64|el0_svc|asm_)/],
  ['JavaScript of node:http', /^JS:.* node:_http/],
  ['JavaScript of Node.js: streams, net', /^JS:.* node:(internal\/stream|net)/],
  ['JavaScript of Node.js: other', /^JS:.* node:/],
  [ofProxy, /^JS:/],
  ['HTTP parser', /llhttp|node::.*Parser/],
  ['queue of promises', /Microtask/],
  ['C++ of Node.js, libuv', /\bnode::|^uv_/]
]
const other = 'V8, other'

/** Returns undefined for a function that counts for its caller. */
export const causeOf = (name) => causes.find(([, names]) => names.test(name))?.[0]

/**
 * Yields a table for each transport.
 * @param unit the title of the tables, after the name of the transport
 * @param startOptions folder for files → options of `proxiesFor`
 * @param measure candidate, folder, map (the file with the names of compiled functions) → promise of
 * function → its cost for each call
 */
export async function* tablesByCause({ transportNames, raw }, unit, startOptions, measure) {
  const folder = mkdtempSync(join(tmpdir(), 'by-cause-'))
  try {
    const { nodeFlags = [], ...options } = startOptions(folder)
    // V8 also writes a log, and would write it to the current directory.
    const allFlags = ['--perf-basic-prof', `--logfile=${join(folder, 'v8.log')}`, ...nodeFlags]
    for (const name of transportNames) {
      const costs = new Map()
      const start = { ...options, others: false, raw, nodeFlags: allFlags }
      await withCandidates(name, start, async (all) => {
        for (const candidate of all) {
          if (candidate.name === noProxy) continue
          const map = `/tmp/perf-${candidate.pid}.map` // V8 decides where it is
          try {
            costs.set(candidate.name, await measure(candidate, folder, map))
          } finally {
            rmSync(map, { force: true })
          }
        }
      })
      const sockets = raw && name !== 'client' ? ', raw sockets' : ''
      yield [`${transports[name].title}${sockets}: ${unit}`, rowsOf(costs)]
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** @param costs proxy → function → cost */
function rowsOf(costs) {
  const results = new Map()
  const addRows = (labels, labelOf, indent = '') => {
    const sums = [...costs].map(([proxy, ofProxy]) => [proxy, sumBy(ofProxy, labelOf)])
    for (const label of labels ?? [...new Set(sums.flatMap(([, sum]) => [...sum.keys()]))].sort()) {
      for (const [proxy, sum] of sums) {
        if (sum.has(label)) addResult(results, indent + label, proxy, sum.get(label))
      }
    }
  }
  for (const [cause] of [...causes, [other]]) {
    addRows([cause], (name) => causeOf(name) ?? other)
    if (cause === ofProxy) addRows(undefined, folderOf, '  ')
  }
  addRows(['all'], () => 'all')
  return results
}

function sumBy(costs, labelOf) {
  const sums = new Map()
  for (const [name, cost] of costs) {
    const label = labelOf(name)
    if (label !== undefined) sums.set(label, (sums.get(label) ?? 0) + cost)
  }
  return sums
}

/** The folder of lib with a function of the bundle, or its package. */
function folderOf(name) {
  const { file } = sourceOf(name) ?? {}
  if (file === undefined) return undefined
  return /node_modules\/([^/]+)/.exec(file)?.[1] ?? (file.includes('/') ? dirname(file) : 'other')
}

let sourceMap

/** Returns { file, line } of a function of the bundle, or undefined for others. */
export function sourceOf(name) {
  const [, line, column] = /[\\/]dist[\\/]cli\.cjs:(\d+):(\d+)$/.exec(name) ?? []
  if (line === undefined) return undefined
  sourceMap ??= new SourceMap(
    JSON.parse(readFileSync(new URL('../../dist/cli.cjs.map', import.meta.url), 'utf8'))
  )
  const { originalSource, originalLine } = sourceMap.findEntry(line - 1, column - 1)
  return (
    originalSource && { file: originalSource.replace(/^(\.\.\/)+/, ''), line: originalLine + 1 }
  )
}
