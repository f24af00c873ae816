// What the traffic page holds.

import t from 'tap'
import { Store } from '../../../lib/inspect/page/model/store.ts'
import type { AnyEntry } from '../../../lib/inspect/entries.ts'
import { entry, session } from '../entries.ts'

const opened = (members = {}): AnyEntry => ({ seq: 0, time: 0, type: 'open', ...session(members) })
const numbers = (entries: AnyEntry[]): number[] => entries.map(({ seq }) => seq)
const never = (): boolean => false

t.test('the filter looks at a part of the entries at a time', async (t) => {
  const store = new Store()
  store.add(Array.from({ length: 1000 }, (_, seq) => entry({ seq })))
  let asked = 0
  t.notOk(store.look(() => ++asked === 2))
  t.equal(store.shown.length, 400)
  t.ok(store.look(never))
  t.equal(store.shown.length, 1000)
  store.setFilter(({ seq }) => seq % 2 === 0)
  t.equal(store.shown.length, 0)
  t.ok(store.look(never))
  t.equal(store.shown.length, 500)
  store.add([entry({ seq: 1000 })])
  store.look(never, 1000)
  t.equal(store.shown.at(-1)?.seq, 998, 'a paused page does not show it')
  store.look(never)
  t.equal(store.shown.at(-1)?.seq, 1000)
  store.clear()
  t.strictSame([store.entries, store.shown], [[], []])
  store.look(never)
  store.clear()
  store.add([entry({ seq: 1002 })])
  store.look(never)
  t.strictSame(numbers(store.shown), [1002])
})

t.test('the oldest entries go when there are too many', async (t) => {
  const store = new Store(100)
  store.add(Array.from({ length: 100 }, (_, seq) => entry({ seq })))
  store.add([{ seq: 100, time: 0, type: 'stderr', server: '', pid: 1, command: 'x' }])
  t.equal(store.entries.length, 90)
  t.equal(store.removed, 0, 'none of them was shown')
  store.look(never)
  store.add(Array.from({ length: 60 }, (_, index) => entry({ seq: 101 + index })))
  t.equal(store.removed, 15)
  t.equal(store.shown[0]?.seq, store.entries[0]?.seq)
  t.equal(store.find(3), undefined)
  t.equal(store.find(100)?.type, 'stderr')
  store.look(never)
  store.setFilter(() => true)
  for (let seq = 161; seq < 400; seq++) store.add([entry({ seq })])
  t.ok(store.entries.length <= 100, 'also the line on stderr')
})

t.test('the oldest entries go when they have too much text', async (t) => {
  const store = new Store()
  const text = 'x'.repeat(16 * 1024 * 1024)
  for (let seq = 0; seq < 8; seq++) store.add([entry({ seq, text })])
  t.equal(store.entries.length, 8, 'at the limit')
  store.add([entry({ seq: 8, text: 'x' })])
  t.equal(store.entries.length, 8)
  store.add([entry({ seq: 9, text: text + text })])
  t.ok(store.entries.length < 8)
  store.add([entry({ seq: 10, text: text.repeat(9) })])
  t.strictSame(store.entries, [])
})

t.test('a call has its request, what came meanwhile, and its response', async (t) => {
  const store = new Store()
  store.add([
    opened(),
    entry({ seq: 1 }),
    entry({ seq: 2 }),
    entry({ seq: 3, kind: 'notification', from: 'server', call: 1 }),
    entry({ seq: 4, kind: 'response', from: 'server', call: 1 }),
    entry({ seq: 5, kind: 'notification', call: 1 }),
    entry({ seq: 6, kind: 'response', from: 'server' })
  ])
  for (const seq of [1, 3, 4])
    t.strictSame(numbers(store.callOf(store.find(seq) as never)), [1, 3, 4])
  t.strictSame(numbers(store.callOf(store.find(2) as never)), [2])
  t.equal(store.responseTo(1)?.seq, 4)
  t.equal(store.responseTo(2), undefined)
})

t.test('sessions are counted, and named after their clients', async (t) => {
  const store = new Store()
  const initialize = (clientInfo: unknown): string => JSON.stringify({ params: { clientInfo } })
  store.add([
    opened(),
    entry({ seq: 1, method: 'initialize', text: initialize({ name: 'Claude', version: '1.0' }) }),
    entry({ seq: 2, kind: 'response', from: 'server', error: 1 }),
    { ...opened(), seq: 3, type: 'end' } as AnyEntry,
    entry({ seq: 4, session: 9 })
  ])
  t.match(store.sessions.get(1), { client: 'Claude 1.0', open: false, messages: 2, errors: 1 })
  t.equal(store.sessionOf(entry({ session: 9 })), undefined)
  t.equal(store.sessionOf(opened())?.session, 1)
  t.equal(
    store.sessionOf({ seq: 1, time: 0, type: 'start', server: '', pid: 1, command: 'x' }),
    undefined
  )
  const meta = { 'io.modelcontextprotocol/clientInfo': { name: 'Modern' } }
  const texts: [string, string | undefined][] = [
    [initialize({ name: 'a' }), 'a'],
    [initialize({ name: 1 }), undefined],
    [initialize(undefined), undefined],
    ['null', undefined],
    ['{', undefined],
    [`${initialize({ name: 'a' })}${' '.repeat(100_000)}`, undefined]
  ]
  for (const [index, [text, client]] of texts.entries()) {
    const number = index + 10
    store.add([opened({ session: number }), entry({ session: number, method: 'initialize', text })])
    t.equal(store.sessions.get(number)?.client, client, text.slice(0, 40))
  }
  store.add([
    opened({ session: 30 }),
    entry({ session: 30, text: JSON.stringify({ params: { _meta: meta } }) })
  ])
  t.equal(store.sessions.get(30)?.client, 'Modern')
})

t.test('entries that were dropped are counted, and their sessions are known', async (t) => {
  const store = new Store()
  store.onSessions({ sessions: [session(), session({ session: 2 })], dropped: 3 })
  store.add([{ ...opened(), type: 'end' } as AnyEntry])
  store.onSessions({ sessions: [session()], dropped: 4 })
  t.equal(store.dropped, 7)
  t.strictSame(
    [...store.sessions.values()].map(({ open }) => open),
    [false, true]
  )
})
