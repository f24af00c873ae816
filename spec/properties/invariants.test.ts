// What the design promises, for any schedule of clients, servers and faults. A failure shows the seed
// and the shortest schedule that fast-check found. SEED runs the same schedules again, RUNS sets how many.

import fc from 'fast-check'
import t from 'tap'
import type { Test } from 'tap'
import { isTranslated, ownsServer, responsesTo, run, schedules, services } from './world.ts'
import type { World } from './world.ts'

t.setTimeout(120_000)

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const numRuns = Number(process.env.RUNS ?? 40)
/** No run of a service begins after this time, in ms. A run that waits in vain may take longer. */
const timeLimit = process.env.RUNS === undefined ? 800 : Infinity

/** Checks a property with each service. `check` returns what is wrong, or undefined. */
async function holds(t: Test, check: (world: World) => string | undefined): Promise<void> {
  t.comment(`SEED=${seed}`)
  for (const service of services) {
    const end = performance.now() + timeLimit
    const property = fc.asyncProperty(schedules, async (steps) => {
      if (performance.now() > end) return
      const fault = check(await run(service, steps))
      if (fault !== undefined) throw new Error(fault)
    })
    try {
      await fc.assert(property, { seed, numRuns })
      t.pass(`${service}, seed ${seed}`)
    } catch (error) {
      const { cause, message } = error as Error
      t.fail(`${service}, SEED=${seed}: ${String(cause)}: ${message}`)
    }
  }
}

/** A request without its id, which a shared server gets in another form. */
const withoutId = (text: string): string => text.replace(/"id":(?:"[^"]*"|\d+),/, '')

/** The contents of a call or of a result. They cross unchanged in translation too. */
const contentsOf = (text: string): string => text.slice(text.indexOf('"x":'), -1)

/** What is wrong with the contents of requests and results between two eras. */
function translated(world: World): string | undefined {
  for (const { client, number, id, text } of world.calls) {
    const key = `${client}-${number}`
    const [contents = ''] = contentsOf(text.slice(0, -1)).split(',"_meta":{"io.')
    for (const got of world.received.flat()) {
      if (got.includes(`"key":"${key}"`) && !got.includes(contents)) return `a server got ${got}`
    }
    const result = world.results.get(key)
    for (const line of responsesTo(world, client, id)) {
      const isError = line.startsWith(`{"jsonrpc":"2.0","id":${id},"error"`)
      if (!isError && (result === undefined || !line.includes(contentsOf(result))))
        return `a client got ${line} and not ${result}`
    }
  }
  return undefined
}

t.test('bytes cross unchanged, but for what a shared server or another era needs', async (t) => {
  await holds(t, (world) => {
    if (isTranslated(world.service)) return translated(world)
    const sent = new Set(
      world.calls.map(({ text }) => (ownsServer(world.service) ? text : withoutId(text)))
    )
    for (const text of world.received.flat()) {
      const seen = ownsServer(world.service) ? text : withoutId(text)
      if (!sent.has(seen)) return `a server got ${text}`
    }
    const said = new Set(world.notifications.flat())
    for (const call of world.calls) {
      for (const line of responsesTo(world, call.client, call.id)) {
        const result = world.results.get(`${call.client}-${call.number}`)
        const isError = line.startsWith(`{"jsonrpc":"2.0","id":${call.id},"error"`)
        const expected = `{"jsonrpc":"2.0","id":${call.id},"result":${result}}`
        if (!isError && line !== expected) return `a client got ${line} and not ${expected}`
      }
    }
    for (const line of world.lines.flat()) {
      const isNotification =
        line.includes('"method":"notifications/message"') && line.includes('"server":')
      if (isNotification && line.startsWith('{"jsonrpc":"2.0","method"') && !said.has(line)) {
        return `a client got ${line}`
      }
    }
    return undefined
  })
})

t.test('each request gets one response, and reaches at most one server once', async (t) => {
  await holds(t, (world) => {
    for (const { client, number, id, text } of world.calls) {
      const { length } = responsesTo(world, client, id)
      if (length > 1) return `${length} responses to ${text}`
      if (length === 0 && !world.left.has(client)) return `no response to ${text}`
      const key = `"key":"${client}-${number}"`
      const times = world.received.flat().filter((text) => text.includes(key)).length
      if (times > 1) return `${times} times at the server: ${text}`
    }
    return undefined
  })
})

t.test('the order of messages stays, for each client and each server', async (t) => {
  const isRising = (numbers: number[]): boolean =>
    numbers.every((number, at) => at === 0 || number > (numbers[at - 1] as number))
  const numbersIn = (texts: string[], pattern: RegExp): number[] =>
    texts.flatMap((text) => {
      const found = pattern.exec(text)?.[1]
      return found === undefined ? [] : [Number(found)]
    })
  await holds(t, (world) => {
    for (const texts of world.received) {
      for (const client of [0, 1, 2]) {
        const numbers = numbersIn(texts, new RegExp(`"key":"${client}-(\\d+)"`))
        if (!isRising(numbers))
          return `a server got the requests ${numbers.join()} of client ${client}`
      }
    }
    for (const [client, lines] of world.lines.entries()) {
      for (const server of world.notifications.keys()) {
        const numbers = numbersIn(lines, new RegExp(`"server":${server},"number":(\\d+),`))
        if (!isRising(numbers)) return `client ${client} got ${numbers.join()} of server ${server}`
      }
    }
    return undefined
  })
})

t.test('nothing crosses between clients', async (t) => {
  await holds(t, (world) => {
    for (const [client, lines] of world.lines.entries()) {
      for (const line of lines) {
        const owner = /"of":"(\d)-\d+"/.exec(line)?.[1]
        if (owner !== undefined && Number(owner) !== client) return `client ${client} got ${line}`
      }
    }
    if (!ownsServer(world.service)) return undefined
    for (const texts of world.received) {
      const owners = new Set(texts.map((text) => /"key":"(\d)-/.exec(text)?.[1]))
      if (owners.size > 1) return `a server got requests of the clients ${[...owners].join()}`
    }
    return undefined
  })
})

t.test('every wait ends: all clients and servers close', async (t) => {
  await holds(t, ({ hanging }) =>
    hanging.length === 0 ? undefined : `still open: ${hanging.join()}`
  )
})
