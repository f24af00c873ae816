// How much memory the largest messages take, from a line on stdin to the frame of the server, and
// from the body of a POST to its frame. Each is measured in a process of its own.

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'

t.setTimeout(120_000)

const lib = new URL('../../lib/', import.meta.url).href
const loader = fileURLToPath(new URL('../loader.js', import.meta.url))

/** Prints how many times its size a message took. `make` is the source of a text of `size` bytes. */
const measure = (make: string, path: string): string => `
  import { readFileSync, writeFileSync } from 'node:fs'
  import { Duplex, PassThrough } from 'node:stream'
  const { acceptStdio } = await import('${lib}stdio/accept-stdio.ts')
  const { BodyParser, parseBody } = await import('${lib}framing/body.ts')
  const { reconnect } = await import('${lib}wrappers/reconnect.ts')
  const size = 63 * 1024 * 1024
  const head = '{"jsonrpc":"2.0","id":1,"method":"m","params":'
  const bytes = Buffer.from(${make} + '\\n')
  for (let round = 0; round < 2; round++) {
    gc()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  writeFileSync('/proc/self/clear_refs', '5') // the peak starts again
  const before = process.memoryUsage.rss()
  const chunks = []
  for (let at = 0; at < bytes.length; at += 65536) chunks.push(bytes.subarray(at, at + 65536))
  if (${path === 'body'}) {
    const parser = new BodyParser()
    for (const chunk of chunks) parser.feed(Buffer.from(chunk))
    try { parseBody(parser.end()) } catch {}
  } else {
    const input = new PassThrough()
    const taken = new Promise((resolve) => {
      const server = new Duplex({ objectMode: true, read() {}, write: (frame) => resolve(frame) })
      const output = new PassThrough()
      output.on('data', resolve)
      acceptStdio({ input, output }).pipe(reconnect(() => server))
    })
    for (const chunk of chunks) {
      if (!input.write(Buffer.from(chunk))) await new Promise((go) => input.once('drain', go))
    }
    await taken
  }
  const [, peak] = /VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))
  console.log((peak * 1024 - before) / bytes.length)
  process.exit()`

type Case = [what: string, path: 'stdio' | 'body', limit: number, make: string]

const text = `head + '"' + 'x'.repeat(size - 60) + '"}'`
const cases: Case[] = [
  ['a long string on stdin', 'stdio', 4, text],
  ['a long string in a body', 'body', 4, text],
  ['a batch of ones', 'body', 8, `'[' + '1,'.repeat(size / 2 - 4) + '1]'`],
  ['an array of ones', 'stdio', 8, `head + '[' + '1,'.repeat(size / 2 - 40) + '1]}'`],
  ['empty objects', 'body', 8, `head + '{"a":[' + '{},'.repeat(size / 3 - 40) + '{}]}}'`],
  [
    'deep nesting',
    'stdio',
    8,
    `head + '['.repeat(size / 2 - 40) + ']'.repeat(size / 2 - 40) + '}'`
  ],
  ['millions of keys', 'body', 8, `head + '{' + '"key":1,'.repeat(size / 8 - 40) + '"z":1}}'`],
  ['zeros', 'stdio', 8, `head + '"' + '\\0x'.repeat(size / 2 - 60) + '"}'`],
  ['a long id', 'stdio', 8, `'{"jsonrpc":"2.0","method":"m","id":"' + 'x'.repeat(size - 60) + '"}'`]
]

// Only Linux tells the peak of a process's memory.
const skip = process.platform === 'linux' ? false : 'needs /proc'
for (const [what, path, limit, make] of cases) {
  t.test(`${what} takes at most ${limit} times its size`, { skip }, async (t) => {
    const source = measure(make, path)
    const args = ['--expose-gc', '--import', loader, '--input-type=module', '-e', source]
    const times = Number(execFileSync(process.execPath, args, { encoding: 'utf8' }))
    // The code of the proxy and the heap of the process take a few MiB.
    t.ok(times > 0 && times <= limit + 0.1, `${path}: ${times}`)
  })
}
