// The tools of a shared server, and when they are listed again.

import t from 'tap'
import { ToolCache } from '../../lib/era/tool-cache.ts'
import { KeptLog } from '../helpers.ts'
import { TextServer, turn } from '../wrappers/text-server.ts'

const tool = (name: string, header: string): object => ({
  name,
  inputSchema: { properties: { a: { type: 'string', 'x-mcp-header': header } } }
})
const mirrored = (header: string): object[] => [
  { header: `mcp-param-${header}`, path: ['a'], type: 'string' }
]

/** A book of the tools that `list` gives for a cursor, and the ports that the book has opened. */
function bookOf(list: (cursor: unknown) => object): {
  ports: TextServer[]
  book: ToolCache
  log: KeptLog
} {
  const ports: TextServer[] = []
  const log = new KeptLog()
  const connect = (): TextServer => {
    const port = new TextServer()
    port.onFrame = (frame) => {
      const { id, method, params } = frame.message()
      if (method === 'tools/list') port.say({ id, ...list(params?.cursor) })
    }
    ports.push(port)
    return port
  }
  return { ports, book: new ToolCache(connect, 0, log), log }
}

const list = (...tools: object[]): object => ({ result: { tools } })

t.test('all questions share one listing', async (t) => {
  const { ports, book } = bookOf(() =>
    list(tool('one', 'x'), tool('bad', 'b a d'), { name: 'none' })
  )
  const answers = await Promise.all(
    ['one', 'bad', 'none', 'unknown'].map(async (name) => book.paramsOf(name))
  )
  t.strictSame(answers, [mirrored('x'), [], [], []])
  t.strictSame(await book.paramsOf('one'), mirrored('x'))
  t.equal(ports.length, 1)
  t.strictSame(
    ports[0]?.received.map(({ method }) => method),
    ['tools/list', 'subscriptions/listen', 'tools/list'],
    'a list comes after the subscription, so that no change is missed'
  )
  t.match(ports[0]?.received[1]?.message().params, { notifications: { toolsListChanged: true } })
})

t.test(
  'a question gets a known list at once, and waits for one that may have changed',
  async (t) => {
    let header = 'x'
    const { ports, book } = bookOf(() => list(tool('one', header)))
    const before = book.paramsOf('one')
    t.type(before, Promise, 'the list has yet to come')
    t.type(book.paramsOf('one'), Promise)
    await before
    t.strictSame(book.paramsOf('one'), mirrored('x'))
    t.strictSame(book.paramsOf('unknown'), [])
    header = 'y'
    ports[0]?.say({ method: 'notifications/tools/list_changed' })
    await turn()
    const after = book.paramsOf('one')
    t.type(after, Promise)
    t.strictSame(await after, mirrored('y'))
    t.strictSame(book.paramsOf('one'), mirrored('y'))
    ports[1]?.destroy()
    await turn()
    t.type(book.paramsOf('one'), Promise, 'without the port a change would be missed')
  }
)

t.test('all pages are read', async (t) => {
  const { ports, book } = bookOf((cursor = 0) => ({
    result: {
      tools: [tool(`tool-${cursor}`, 'x')],
      ...(Number(cursor) < 19 && { nextCursor: String(Number(cursor) + 1) })
    }
  }))
  t.strictSame(await book.paramsOf('tool-0'), mirrored('x'))
  t.strictSame(await book.paramsOf('tool-19'), mirrored('x'))
  t.equal(ports[0]?.received.length, 41)
})

t.test('a change of the tools makes the book list them again', async (t) => {
  let header = 'x'
  const { ports, book } = bookOf(() => list(tool('one', header)))
  await book.paramsOf('one')
  header = 'y'
  ports[0]?.say({ method: 'notifications/subscriptions/acknowledged', params: {} })
  await turn()
  t.strictSame(await book.paramsOf('one'), mirrored('x'))
  ports[0]?.say({ method: 'notifications/tools/list_changed' })
  await turn()
  t.strictSame(await book.paramsOf('one'), mirrored('y'))
  t.equal(ports.length, 2)
  t.ok(ports[0]?.destroyed, 'the old subscription ends')
})

t.test('the end of the subscription makes the book list the tools again', async (t) => {
  const { ports, book } = bookOf(() => list(tool('one', 'x')))
  await book.paramsOf('one')
  ports[0]?.say({ id: ports[0].received[1]?.id, error: { code: -32000, message: 'crashed' } })
  await turn()
  await book.paramsOf('one')
  t.equal(ports.length, 2)
  ports[1]?.destroy()
  await turn()
  await book.paramsOf('one')
  t.equal(ports.length, 3)
  t.notOk(ports[2]?.destroyed)
})

t.test('without mirrored parameters there is no subscription, and the list gets old', async (t) => {
  const { ports, book } = bookOf(() => list({ name: 'none' }))
  t.strictSame(await book.paramsOf('none'), [])
  t.strictSame(
    ports[0]?.received.map(({ method }) => method),
    ['tools/list']
  )
  t.ok(ports[0]?.destroyed)
  t.strictSame(book.paramsOf('none'), [], 'the list is known')
  const { now } = performance
  t.teardown(() => (performance.now = now))
  performance.now = () => now.call(performance) + 60_001
  t.type(book.paramsOf('none'), Promise)
  await book.paramsOf('none')
  t.equal(ports.length, 2)
})

t.test('a change during a listing concerns only later questions', async (t) => {
  const { ports, book } = bookOf(() => list(tool('one', 'x')))
  const first = book.paramsOf('one')
  while (Number(ports[0]?.received.length) < 2) await turn()
  ports[0]?.say({ method: 'notifications/tools/list_changed' })
  t.strictSame(await first, mirrored('x'))
  await turn()
  t.type(book.paramsOf('one'), Promise)
  await book.paramsOf('one')
  t.equal(ports.length, 2)
})

t.test('after an error each question lists the tools again', async (t) => {
  const { ports, book } = bookOf(() => ({ error: { code: -32603, message: 'not now' } }))
  t.strictSame(await book.paramsOf('one'), [])
  await turn()
  t.strictSame(await book.paramsOf('one'), [])
  t.equal(ports.length, 2)
})

t.test('a question fails when the server is silent, and the next one tries again', async (t) => {
  const silent: TextServer[] = []
  const book = new ToolCache(() => {
    const port = new TextServer()
    silent.push(port)
    return port
  }, 20)
  for (let count = 1; count < 3; count++) {
    await t.rejects(async () => book.paramsOf('one'), { code: 'ERR_TIMEOUT' })
    await turn()
    t.equal(silent.length, count)
    t.ok(silent.at(-1)?.destroyed)
  }
})

t.test('a question fails when the port does', async (t) => {
  const { ports, book } = bookOf(() => {
    setImmediate(() => ports[0]?.destroy(new Error('gone')))
    return { method: 'notifications/nothing' }
  })
  await t.rejects(async () => book.paramsOf('one'), {
    code: 'ERR_SERVER_START',
    cause: { message: 'gone' }
  })
})

t.test('the book ignores a result of the wrong shape', async (t) => {
  const results = [{}, { tools: null }, { tools: 'none' }, { tools: { a: 1 } }]
  for (const result of results) {
    const { book } = bookOf(() => ({ result }))
    t.strictSame(await book.paramsOf('one'), [], JSON.stringify(result))
  }
  const { book } = bookOf(() => ({
    result: { tools: [null, 7, [], { name: 7 }, tool('one', 'x')] }
  }))
  t.strictSame(await book.paramsOf('one'), mirrored('x'))
})

t.test('the book stops at a cursor that it has seen', async (t) => {
  const { ports, book, log } = bookOf((cursor = 'first') => ({
    result: { tools: [tool(`tool-${cursor}`, 'x')], nextCursor: 'again' }
  }))
  t.strictSame(await book.paramsOf('tool-again'), mirrored('x'), 'what was listed is used')
  t.equal(ports[0]?.received.filter(({ method }) => method === 'tools/list').length, 4)
  t.match(log.lines[0], /^warn: the list of tools is cut short: .* a second time$/)
})

t.test('the book stops after a thousand pages', async (t) => {
  let count = 0
  const { book, log } = bookOf((cursor = 0) => {
    if (count++ > 4000) throw new Error('it goes on for ever')
    const page = Number(cursor) + 1
    return { result: { tools: [tool(`tool-${page}`, 'x')], nextCursor: String(page) } }
  })
  t.strictSame(await book.paramsOf('tool-1000'), mirrored('x'))
  t.strictSame(await book.paramsOf('tool-1001'), [])
  t.equal(count, 2000, 'once before the subscription, and once after it')
  t.match(log.lines[0], /^warn: the list of tools is cut short: it has more than 1000 pages$/)
})

t.test('a cursor that is not a string ends the list', async (t) => {
  for (const nextCursor of [null, 7, {}]) {
    const { ports, book, log } = bookOf(() => ({ result: { tools: [], nextCursor } }))
    t.strictSame(await book.paramsOf('one'), [])
    t.equal(ports[0]?.received.length, 1)
    t.strictSame([...log.lines], [])
  }
})
