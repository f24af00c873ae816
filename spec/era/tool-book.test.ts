// What a shared server says of its tools.

import t from 'tap'
import { ToolBook } from '../../lib/era/tool-book.ts'
import { TextServer, turn } from '../wrappers/text-server.ts'

const tool = (name: string, header: string): object => ({
  name,
  inputSchema: { properties: { a: { type: 'string', 'x-mcp-header': header } } }
})
const mirrored = (header: string): object[] => [
  { header: `mcp-param-${header}`, path: ['a'], type: 'string' }
]

/** A book of what `list` has for a cursor. Each reading has a port of its own. */
function bookOf(list: (cursor: unknown) => object): { ports: TextServer[]; book: ToolBook } {
  const ports: TextServer[] = []
  const connect = (): TextServer => {
    const port = new TextServer()
    port.onFrame = (frame) => {
      const { id, method, params } = frame.message()
      if (method === 'tools/list') port.say({ id, ...list(params?.cursor) })
    }
    ports.push(port)
    return port
  }
  return { ports, book: new ToolBook(connect, 0) }
}

const list = (...tools: object[]): object => ({ result: { tools } })

t.test('the server is asked once, by all who want to know', async (t) => {
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
    ['subscriptions/listen', 'tools/list'],
    'it listens before it asks, so that no change is missed'
  )
  t.match(ports[0]?.received[0]?.message().params, { notifications: { toolsListChanged: true } })
})

t.test('what is known is said at once, and what may have changed is not', async (t) => {
  let header = 'x'
  const { ports, book } = bookOf(() => list(tool('one', header)))
  const before = book.paramsOf('one')
  t.type(before, Promise, 'it has yet to be asked for')
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
  t.type(book.paramsOf('one'), Promise, 'nobody would have told of a change')
})

t.test('all pages are read', async (t) => {
  const { ports, book } = bookOf((cursor = 0) => ({
    result: {
      tools: [tool(`tool-${cursor}`, 'x')],
      ...(Number(cursor) < 19 && { nextCursor: Number(cursor) + 1 })
    }
  }))
  t.strictSame(await book.paramsOf('tool-0'), mirrored('x'))
  t.strictSame(await book.paramsOf('tool-19'), mirrored('x'))
  t.equal(ports[0]?.received.length, 21)
})

t.test('when the tools have changed the server is asked again', async (t) => {
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
  t.ok(ports[0]?.destroyed, 'the subscription to what is past ends')
})

t.test('when nobody would tell of changes any more the server is asked again', async (t) => {
  const { ports, book } = bookOf(() => list(tool('one', 'x')))
  await book.paramsOf('one')
  ports[0]?.say({ id: ports[0].received[0]?.id, error: { code: -32000, message: 'crashed' } })
  await turn()
  await book.paramsOf('one')
  t.equal(ports.length, 2)
  ports[1]?.destroy()
  await turn()
  await book.paramsOf('one')
  t.equal(ports.length, 3)
  t.notOk(ports[2]?.destroyed)
})

t.test('a change while the tools are being read concerns those who ask later', async (t) => {
  const { ports, book } = bookOf(() => list(tool('one', 'x')))
  const first = book.paramsOf('one')
  ports[0]?.say({ method: 'notifications/tools/list_changed' })
  t.strictSame(await first, mirrored('x'))
  await turn()
  t.type(book.paramsOf('one'), Promise)
  await book.paramsOf('one')
  t.equal(ports.length, 2)
})

t.test('a server that cannot tell is asked again each time', async (t) => {
  const { ports, book } = bookOf(() => ({ error: { code: -32603, message: 'not now' } }))
  t.strictSame(await book.paramsOf('one'), [])
  await turn()
  t.strictSame(await book.paramsOf('one'), [])
  t.equal(ports.length, 2)
})

t.test('a server that does not answer in time is an error, and asked again', async (t) => {
  const silent: TextServer[] = []
  const book = new ToolBook(() => {
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

t.test('a port that fails is an error', async (t) => {
  const { ports, book } = bookOf(() => {
    setImmediate(() => ports[0]?.destroy(new Error('gone')))
    return { method: 'notifications/nothing' }
  })
  await t.rejects(async () => book.paramsOf('one'), {
    code: 'ERR_SERVER_START',
    cause: { message: 'gone' }
  })
})
