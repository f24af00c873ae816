// What the design promises, over HTTP: for any schedule of clients, servers, and connections that are cut.
// A failure shows the seed and the shortest schedule that fast-check found. SEED runs the same schedules
// again, RUNS sets how many.

import fc from 'fast-check'
import t from 'tap'
import { run, schedules, ways } from './http-world.ts'
import type { HttpWorld } from './http-world.ts'
import { responsesTo } from './world.ts'

t.setTimeout(process.env.RUNS === undefined ? 120_000 : 0)

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const numRuns = Number(process.env.RUNS ?? 40)
/** No run of a way begins after this time, in ms. A run that waits in vain for a response may take longer. */
const timeLimit = process.env.RUNS === undefined ? 2500 : Infinity

/** A request without its id, which a shared server gets in another form. */
const withoutId = (text: string): string => text.replace(/"id":(?:"[^"]*"|\d+),/, '')

const serverOf = (line: string): number | undefined => {
  const found = /^\{"jsonrpc":"2\.0","method":"notifications\/message".*?"server":(\d+),/.exec(line)
  return found?.[1] === undefined ? undefined : Number(found[1])
}

const numbersOf = (lines: string[], server: number): number[] =>
  lines.flatMap((line) => {
    if (serverOf(line) !== server) return []
    return Number(/"number":(\d+),/.exec(line)?.[1])
  })

/** Each returns what is wrong, or undefined. */
const properties: Record<string, (world: HttpWorld) => string | undefined> = {
  'bytes cross unchanged': ({ way, calls, received, results, lines, notifications, ...world }) => {
    const seen = (text: string): string => (way === 'modern' ? withoutId(text) : text)
    const sent = new Set(calls.map(({ text }) => seen(text)))
    for (const text of received.flat()) if (!sent.has(seen(text))) return `a server got ${text}`
    for (const { client, number, id } of calls) {
      const expected = `{"jsonrpc":"2.0","id":${id},"result":${results.get(`${client}-${number}`)}}`
      for (const line of responsesTo({ lines, ...world }, client, id)) {
        const isError = line.startsWith(`{"jsonrpc":"2.0","id":${id},"error"`)
        if (!isError && line !== expected) return `a client got ${line} and not ${expected}`
      }
    }
    const said = new Set(notifications.flat())
    for (const line of lines.flat()) {
      if (serverOf(line) !== undefined && !said.has(line)) return `a client got ${line}`
    }
    return undefined
  },

  'each request gets one response, and reaches at most one server once': (world) => {
    for (const call of world.calls) {
      const { client, number, id, text } = call
      const { length } = responsesTo(world, client, id)
      if (length > 1) return `${length} responses to ${text}`
      if (length === 0 && !world.left.has(client) && !world.lost.has(call)) {
        return `no response to ${text}`
      }
      const key = `"key":"${client}-${number}"`
      const times = world.received.flat().filter((text) => text.includes(key)).length
      if (times > 1) return `${times} times at the server: ${text}`
    }
    return undefined
  },

  'the order of a stream stays, and nothing comes twice': ({ way, lines, streams, owners }) => {
    // HTTP+SSE has one stream. Of the other clients, only a raw one knows the streams.
    const all = way === 'HTTP+SSE' ? lines.map((lines) => ({ lines })) : streams
    for (const server of owners.keys()) {
      for (const { lines } of all) {
        const numbers = numbersOf(lines, server)
        const isRising = numbers.every((number, at) => at === 0 || number > (numbers[at - 1] ?? 0))
        if (!isRising) return `a stream brought ${numbers.join()} of server ${server}`
      }
      for (const [client, own] of lines.entries()) {
        const numbers = numbersOf(own, server)
        if (new Set(numbers).size < numbers.length) return `client ${client} got ${numbers.join()}`
      }
    }
    return undefined
  },

  'nothing crosses between sessions': ({ way, lines, received, owners }) => {
    for (const [client, own] of lines.entries()) {
      for (const line of own) {
        const owner = /"of":"(\d)-\d+"/.exec(line)?.[1]
        if (owner !== undefined && Number(owner) !== client) return `client ${client} got ${line}`
        const server = serverOf(line)
        if (way === 'modern' || server === undefined) continue
        if (owners[server] !== client) return `client ${client} got ${line}`
      }
    }
    if (way === 'modern') return undefined
    for (const [server, texts] of received.entries()) {
      const stray = texts.find((text) => !text.includes(`"key":"${owners[server]}-`))
      if (stray !== undefined) return `the server of client ${owners[server]} got ${stray}`
    }
    return undefined
  },

  'every wait ends': ({ hanging }) =>
    hanging.length === 0 ? undefined : `still open: ${hanging.join()}`
}

for (const way of ways) {
  t.test(`over HTTP: ${way}`, async (t) => {
    t.comment(`SEED=${seed}`)
    const end = performance.now() + timeLimit
    let runs = 0
    const property = fc.asyncProperty(schedules, async (steps) => {
      if (performance.now() > end) return
      runs++
      const world = await run(way, steps)
      for (const [name, check] of Object.entries(properties)) {
        const fault = check(world)
        if (fault !== undefined) throw new Error(`${name}: ${fault}`)
      }
    })
    try {
      await fc.assert(property, { seed, numRuns })
      t.pass(`seed ${seed}, ${runs} runs`)
    } catch (error) {
      const { cause, message } = error as Error
      t.fail(`SEED=${seed}: ${String(cause)}: ${message}`)
    }
  })
}
