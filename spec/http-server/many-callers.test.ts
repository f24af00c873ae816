// An attack: 1,000 callers use all that they may, and ask for more all the time. One honest caller is
// served as before. Whether it is served as fast as before can only be told on a quiet machine:
//
//   QUIET_MACHINE=1 npx tap run --disable-coverage spec/http-server/many-callers.test.ts

import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { bodyOf, headersOf } from '../modern.ts'
import { serve, until } from './helpers.ts'

t.setTimeout(120_000)

const callers = 1000
const maxCallerCalls = 2
const isQuiet = process.env.QUIET_MACHINE !== undefined

const agent = new Agent({ keepAlive: true, maxSockets: Infinity })
t.teardown(() => agent.destroy())

/** Sends a call that the server does not answer. Resolves to the status, if there is a response. */
function call(url: URL, caller: number): Promise<number> {
  const address = `10.${caller >> 8}.${caller & 255}.1`
  const headers = { ...headersOf('tools/list'), 'x-forwarded-for': `1.2.3.4, ${address}` }
  return new Promise((resolve) => {
    request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode as number))
    })
      .on('error', () => {})
      .end(bodyOf('1', 'tools/list'))
  })
}

/** Resolves to the median time of an action, in ms. */
async function medianOf(action: () => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let n = 0; n < 300; n++) {
    const start = performance.now()
    await action()
    times.push(performance.now() - start)
  }
  return times.sort((a, b) => a - b)[150] as number
}

t.test('1,000 callers at their limits do not slow another caller down', async (t) => {
  const options = { maxCallerCalls, trustProxy: ['127.0.0.1'], streamAfter: 0 }
  const { client, contexts, listener } = await serve(t, options)
  const url = new URL('mcp', listener.url)
  const honest = client({ headers: { 'x-forwarded-for': '192.0.2.1' } })
  await honest.initialize()
  const ping = async (): Promise<void> => {
    const { result } = await honest.request('ping')
    if (result === undefined) throw new Error('the honest caller was refused')
  }
  await medianOf(ping)
  const before = await medianOf(ping)

  for (let n = 0; n < callers * maxCallerCalls; n++) {
    void call(url, n % callers)
    if (n % 50 === 0) await sleep(1)
  }
  await until(() => contexts.length === 1 + callers * maxCallerCalls)

  const refused: Promise<number>[] = []
  const during = await medianOf(() => {
    refused.push(call(url, refused.length % callers))
    return ping()
  })
  const statuses = new Set(await Promise.all(refused))
  t.strictSame([...statuses], [429], 'each call over the limit was refused')
  t.equal(contexts.length, 1 + callers * maxCallerCalls, 'and came to no server')
  const another = client({ headers: { 'x-forwarded-for': '192.0.2.1' } })
  t.ok(await another.initialize(), 'the honest caller may open a session too')
  const times = `median of a ping: ${before.toFixed(2)} ms before, ${during.toFixed(2)} ms during`
  t.ok(during < 3 * before + 5, times, { skip: !isQuiet && 'needs a quiet machine' })
})
