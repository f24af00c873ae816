// The table of callers, and the limits of one caller at their edges.

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { Callers } from '../../../lib/http-server/callers/callers.ts'
import type { CallerOptions } from '../../../lib/http-server/callers/callers.ts'
import { BodyBudget, WaitingBodies } from '../../../lib/http-server/request/body-budget.ts'
import { limits, shareOf } from '../../../lib/limits.ts'
import { makeFrame } from '../../../lib/message/frame.ts'
import type { Frame } from '../../../lib/message/frame.ts'

function open(t: Test, options?: CallerOptions): Callers {
  const callers = new Callers(options)
  t.teardown(() => callers.stop())
  return callers
}

const full = { code: 'ERR_CALLER_LIMIT', status: 429 }
const request = (id: number): Frame => makeFrame({ jsonrpc: '2.0', id, method: 'ping' })
const notification = makeFrame({ jsonrpc: '2.0', method: 'notifications/initialized' })

t.test('a principal is one caller, and so is an address without one', async (t) => {
  const callers = open(t)
  t.equal(callers.find('192.0.2.1', 'ann'), callers.find('192.0.2.2', 'ann'))
  t.not(callers.find('192.0.2.1', 'ann'), callers.find('192.0.2.1', 'bob'))
  t.not(callers.find('192.0.2.1'), callers.find('192.0.2.2'))
  t.not(callers.find('192.0.2.1'), callers.find('', '192.0.2.1'), 'a name may look like an address')
  t.equal(callers.find('2001:db8::1'), callers.find('2001:db8::2:3'), 'the same 64 bits')
  t.not(callers.find('2001:db8::1'), callers.find('2001:db8:0:1::1'))
  t.equal(callers.size, 7)
})

t.test('the share of a caller is a tenth of all sessions, and at least 4', async (t) => {
  t.equal(shareOf(1000), 100)
  t.equal(shareOf(59), 5)
  t.equal(shareOf(49), 4)
  t.equal(shareOf(1), 4)
  t.equal(shareOf(0), Infinity)
})

t.test(
  'a caller that is alone has no limit of sessions, and with others it has its share',
  async (t) => {
    const callers = open(t, { maxSessions: 50 })
    const ann = callers.find('', 'ann')
    for (ann.sessions = 0; ann.sessions < 9; ann.sessions++) ann.admitSession()
    const bob = callers.find('', 'bob')
    ann.admitSession()
    for (bob.sessions = 0; bob.sessions < 5; bob.sessions++) bob.admitSession()
    const message = '"bob" has 5 sessions open (see --max-caller-sessions)'
    t.throws(() => bob.admitSession(), { ...full, message, retryAfter: 10 })
    t.throws(() => ann.admitSession(), full, 'another caller has asked for a session')
    ann.sessions = 4
    t.doesNotThrow(() => ann.admitSession())
  }
)

t.test('a limit of sessions that was chosen counts for a caller that is alone', async (t) => {
  const ann = open(t, { maxCallerSessions: 2 }).find('', 'ann')
  ann.sessions = 1
  ann.admitSession()
  ann.sessions = 2
  t.throws(() => ann.admitSession(), full)
  const callers = open(t, { maxCallerSessions: 0, maxSessions: 10 })
  callers.find('', 'bob').admitSession()
  const cid = callers.find('', 'cid')
  cid.sessions = 1000
  t.doesNotThrow(() => cid.admitSession(), '0 is no limit')
})

t.test('a caller may send its burst, and then so many requests a second', async (t) => {
  const callers = open(t, { maxCallerRate: 4, maxCallerBurst: 3 })
  const ann = callers.find('', 'ann')
  for (let n = 0; n < 3; n++) ann.takeRequest()
  const message = '"ann" sends more than 4 requests a second (see --max-caller-rate)'
  t.throws(() => ann.takeRequest(), { ...full, message, retryAfter: 1 })
  t.doesNotThrow(() => callers.find('', 'bob').takeRequest(), 'another caller has its own')
  await delay(300)
  ann.takeRequest()
  t.throws(() => ann.takeRequest(), full, 'one request was earned')
  await delay(1500)
  for (let n = 0; n < 3; n++) ann.takeRequest()
  t.throws(() => ann.takeRequest(), full, 'no more than the burst is earned')
})

t.test('a slow rate says how long to wait', async (t) => {
  const ann = open(t, { maxCallerRate: 1, maxCallerBurst: 1 }).find('', 'ann')
  ann.takeRequest()
  ann.faultOfCalls([request(1), request(2), request(3)])
  t.throws(() => ann.takeRequest(), { ...full, retryAfter: 3 }, 'a batch of three costs two more')
})

t.test('without a rate or a burst there is no limit of requests', async (t) => {
  for (const options of [{}, { maxCallerRate: 1, maxCallerBurst: 0 }]) {
    const ann = open(t, options).find('', 'ann')
    for (let n = 0; n < 1000; n++) ann.takeRequest()
  }
})

t.test('a caller may have so many requests in flight', async (t) => {
  const ann = open(t, { maxCallerCalls: 2 }).find('', 'ann')
  t.equal(ann.faultOfCalls([request(1), request(2)]), undefined)
  const message = '"ann" has 0 requests in flight (see --max-caller-calls)'
  t.match(ann.faultOfCalls([request(1), request(2), request(3)]), { ...full, message })
  ann.calls = 1
  t.equal(ann.faultOfCalls([request(2)]), undefined)
  ann.calls = 2
  t.match(ann.faultOfCalls([request(3)]), full)
  t.equal(ann.faultOfCalls([notification]), undefined, 'a notification is not in flight')
  const bob = open(t, { maxCallerCalls: 0 }).find('', 'bob')
  bob.calls = 1e9
  t.equal(bob.faultOfCalls([request(1)]), undefined, '0 is no limit')
})

t.test('the table forgets a caller that is idle', async (t) => {
  let sweep!: () => void
  const set = globalThis.setInterval
  t.intercept(globalThis, 'setInterval', {
    value: (callback: () => void, time: number) => {
      sweep = callback
      t.equal(time, 60_000)
      return set(() => {}, time)
    }
  })
  const callers = open(t, { maxCallerRate: 1, maxCallerBurst: 2, maxSessions: 10 })
  const busy = ['sessions', 'calls', 'connections'] as const
  for (const member of busy) callers.find('', member)[member] = 1
  const reading = callers.find('', 'reading')
  reading.bodies = new BodyBudget(10)
  const reservation = reading.bodies.reserve(10, () => {})
  const waiting = callers.find('', 'waiting')
  waiting.waiting = new WaitingBodies(10)
  const size = waiting.waiting.add(10)
  const fast = callers.find('', 'fast')
  fast.takeRequest()
  const ann = callers.find('192.0.2.1')
  ann.admitSession()
  fast.admitSession()
  sweep()
  t.equal(callers.size, 7, 'each was seen since the last time')
  sweep()
  t.equal(callers.size, 6, 'only one is idle')
  t.not(callers.find('192.0.2.1'), ann)
  for (const member of busy) callers.find('', member)[member] = 0
  reservation.release()
  waiting.waiting.remove(size)
  sweep()
  t.equal(callers.size, 2, 'one caller was new, and one has not earned its burst')
  fast.sessions = 100
  t.doesNotThrow(() => fast.admitSession(), 'a forgotten caller asks for no sessions')
  fast.sessions = 0
  await delay(1100)
  sweep()
  t.equal(callers.size, 0)
})

t.test('the callers that a full table has no place for count as one', async (t) => {
  const callers = open(t, { maxCallers: 2, maxCallerCalls: 5 })
  const ann = callers.find('', 'ann')
  ann.calls = 1
  const bob = callers.find('192.0.2.2')
  const cid = callers.find('', 'cid')
  t.equal(callers.find('192.0.2.4'), cid)
  t.equal(cid.name, 'others')
  cid.calls = 5
  t.match(callers.find('192.0.2.5').faultOfCalls([request(1)]), full)
  t.equal(callers.find('', 'ann'), ann, 'a caller in the table keeps its own limits')
  t.equal(callers.size, 2)
  await delay(1050)
  t.not(callers.find('192.0.2.4'), cid, 'a second later an idle caller has made place')
  t.not(callers.find('192.0.2.2'), bob)
  const endless = open(t, { maxCallers: 0 })
  for (let n = 0; n <= limits.maxCallers; n++) endless.find('', String(n))
  t.equal(endless.size, limits.maxCallers + 1, '0 is no limit')
})

t.test('a wrong range of trusted proxies is an error', async (t) => {
  t.throws(() => new Callers({ trustProxy: ['x'] }), { code: 'ERR_CONFIG' })
})
