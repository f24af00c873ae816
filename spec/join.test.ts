// The proxy itself.

import { Duplex, PassThrough, Transform } from 'node:stream'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { join } from '../lib/join.ts'
import { acceptStdio } from '../lib/transports/accept-stdio.ts'
import type { StdioTransport } from '../lib/transports/accept-stdio.ts'
import { connectChild } from '../lib/transports/connect-child.ts'
import { rascal, request } from './helpers.ts'

interface Client {
  transport: StdioTransport
  input: PassThrough
  /** All that it was told. */
  output: Promise<string>
}

function client(): Client {
  const [input, output] = [new PassThrough(), new PassThrough()]
  const all = text(output)
  all.catch(() => {}) // some are destroyed
  return { transport: acceptStdio({ input, output }), input, output: all }
}

t.test('a client is joined to a server until both have ended', async (t) => {
  const { transport, input, output } = client()
  input.write(`${request(1, 'test/sleep', { ms: 50 })}\n`)
  input.end(`${request(2, 'test/echo', { big: 1 })}\n`)
  const server = connectChild(rascal('--exit-on-eof-without-answering'))
  await join(transport, server)
  t.strictSame(
    (await output)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).id)
      .sort(),
    [1, 2]
  )
  t.ok(server.closed, 'and its process has gone')
})

t.test('a tap sees all that passes, each way', async (t) => {
  const { transport, input, output } = client()
  const seen: string[] = []
  const see = (who: string): Transform =>
    new Transform({
      objectMode: true,
      transform(frame, _encoding, callback) {
        seen.push(`${who}: ${frame.id}`)
        callback(null, frame)
      }
    })
  input.end(`${request(1, 'ping')}\n`)
  await join(transport, connectChild(rascal()), {
    fromClient: see('client'),
    fromServer: see('server')
  })
  t.strictSame(seen, ['client: 1', 'server: 1'])
  t.match(await output, /"id":1/)
})

t.test('when either fails it fails, and lets the other go', async (t) => {
  const one = client()
  one.input.write(`${request(1, 'test/crash')}\n`)
  await t.rejects(join(one.transport, connectChild(rascal())), { code: 'ERR_SERVER_EXITED' })
  t.ok(one.transport.destroyed)

  const two = client()
  const server = new Duplex({ objectMode: true, read() {}, write() {} })
  const joined = join(two.transport, server)
  two.input.destroy(new Error('broken'))
  await t.rejects(joined, { message: 'broken' })
  t.ok(server.destroyed)
})
