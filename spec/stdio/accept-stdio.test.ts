// The transport to the client on a pair of byte streams.

import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { PassThrough, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { ProxyError } from '../../lib/errors.ts'
import { errorFrame } from '../../lib/message/refusal.ts'
import type { Message } from '../../lib/protocol/json-rpc.ts'
import { acceptStdio } from '../../lib/stdio/accept-stdio.ts'
import type { StdioOptions, StdioTransport } from '../../lib/stdio/accept-stdio.ts'
import type { MessageFact, RefusalFact, SessionFact } from '../../lib/streams/facts.ts'
import { cuts, KeptLog, notification, request, response, until, watch } from '../helpers.ts'
import type { Watched } from '../helpers.ts'

interface Accepted extends Watched {
  transport: StdioTransport
  input: PassThrough
  output: PassThrough
  /** Resolves to the messages that were written to the output, when it has ended. */
  written: Promise<Message[]>
}

function accept(options: StdioOptions = {}): Accepted {
  const input = new PassThrough()
  const output = new PassThrough()
  const transport = acceptStdio({ input, output, ...options })
  const written = text(output).then((all) =>
    all
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Message)
  )
  written.catch(() => {}) // some tests destroy the output
  return { transport, input, output, written, ...watch(transport) }
}

const line = (frame: { toString(): string }): string => `${frame}\n`

t.test(
  'frames are lines wherever they are cut, and the input may end before the output',
  async (t) => {
    const [one, two] = [request(1, 'é😀'), notification('m')]
    for (const parts of cuts(Buffer.from(`${one}\r\n\n${two}`))) {
      const { transport, input, written, frames, closed } = accept()
      for (const part of parts) input.write(part)
      input.end()
      await once(transport, 'end')
      t.strictSame(frames.map(String), [one, two].map(String))
      transport.write(response(1))
      transport.end(response(2))
      t.strictSame(await written, [response(1).message(), response(2).message()])
      t.equal(await closed, undefined)
    }
  }
)

t.test('the client can still send after the output has ended', async (t) => {
  const { transport, input, written, frames, closed } = accept()
  transport.end(response(1))
  t.equal((await written).length, 1)
  input.end(line(request(2, 'm')))
  t.equal(await closed, undefined)
  t.equal(frames[0]?.id, 2)
})

t.test('a writer waits while the client does not read', async (t) => {
  const input = new PassThrough()
  const output = new PassThrough()
  const transport = acceptStdio({ input, output })
  watch(transport)
  let taken = 0
  const frame = notification('m', { text: 'x'.repeat(10_000) })
  for (let i = 0; i < 100; i++) transport.write(frame, () => taken++)
  for (let i = 0; i < 20; i++) await turn()
  t.ok(taken < 20, `${taken} of 100 were taken`)
  t.ok(transport.writableNeedDrain)
  output.resume()
  await once(transport, 'drain')
  t.equal(taken, 100)
  transport.destroy()
})

t.test('a client waits while the transport is not read', async (t) => {
  const input = new PassThrough()
  const transport = acceptStdio({ input, output: new PassThrough() })
  const frame = line(notification('m', { text: 'x'.repeat(10_000) }))
  let sent = 0
  while (input.write(frame)) {
    sent++
    await turn()
  }
  t.ok(sent < 100, `it stopped after ${sent}`)
  const drained = once(input, 'drain')
  const { frames } = watch(transport)
  await drained
  input.end(line(notification('last')))
  await frames.until(({ method }) => method === 'last')
  t.equal(frames.length, sent + 2)
  transport.destroy()
})

t.test('a client waits while the transport is paused', async (t) => {
  const { transport, input, frames } = accept()
  transport.pause()
  const frame = line(notification('m', { text: 'x'.repeat(1000) }))
  let sent = 0
  while (input.write(frame)) {
    sent++
    await turn()
  }
  t.ok(sent < 200, `it stopped after ${sent}`)
  transport.resume()
  input.end(line(notification('last')))
  await frames.until(({ method }) => method === 'last')
  t.equal(frames.length, sent + 2)
  transport.destroy()
})

t.test('an invalid message gets an error response, and is logged', async (t) => {
  const log = new KeptLog()
  const { transport, input, written, frames } = accept({ log })
  const garbage = [
    '{"jsonrpc":"2.0","id":1',
    '"caf\xe9"',
    '{"jsonrpc":"1.0","id":"a","method":"m"}',
    '{"jsonrpc":"2.0","id":7}',
    '{"method":"m"}',
    '[{"jsonrpc":"2.0","id":1,"method":"m"}]'
  ]
  for (const one of garbage) input.write(Buffer.from(`${one}\n \n`, 'latin1'))
  input.end(line(request(2, 'm')))
  await once(transport, 'end')
  transport.end()
  const answers = (await written).map(({ id, error }) => [id, error?.code])
  t.strictSame(answers, [
    [null, -32700],
    [null, -32700],
    ['a', -32600],
    [7, -32600],
    [null, -32600],
    [null, -32600]
  ])
  t.strictSame(frames.map(String), [String(request(2, 'm'))])
  t.equal(log.lines.length, garbage.length)
  t.match(log.lines[0], /^warn: the client sent an invalid message: the message is not JSON/)
})

t.test('a client that sends invalid messages and does not read has to wait', async (t) => {
  const input = new PassThrough()
  const output = new PassThrough()
  const { frames } = watch(acceptStdio({ input, output }))
  let size = 0
  output.on('newListener', () => t.fail('somebody reads the output'))
  while (input.write('x\n'.repeat(1000))) {
    size += 2000
    await turn()
    if (size > 1_000_000) return t.fail('it never waited')
  }
  t.equal(frames.length, 0)
  output.removeAllListeners('newListener').resume()
  input.write(line(notification('valid')))
  await frames.until(({ method }) => method === 'valid')
  input.end()
})

t.test('a message over the limit becomes an error for the side that waits for it', async (t) => {
  const { transport, input, written, frames } = accept({ maxMessage: 200 })
  const params = { text: 'x'.repeat(200) }
  input.write(line(request(1, 'm', params)))
  input.write(line(notification('m', params)))
  input.write(line(response('asked', params)))
  input.write(`${'x'.repeat(201)}\n`)
  input.end(line(request(2, 'm')))
  await once(transport, 'end')
  transport.end()
  t.match(await written, [
    { id: 1, error: { code: -32600, message: /over the limit of 200/ } },
    { id: null, error: { code: -32600 } }
  ])
  t.equal((await written).length, 2, 'a notification gets no response')
  t.match(
    frames.map((frame) => frame.message()),
    [{ id: 'asked', error: { code: -32600 } }, { id: 2 }],
    'the server gets an error response to its request'
  )
})

t.test(
  'a writer that waits for room is released, though an invalid message is answered meanwhile',
  async (t) => {
    const given: string[] = []
    let take: (() => void) | undefined
    const output = new Writable({
      write(chunk, _encoding, callback) {
        given.push(String(chunk))
        take = callback
      }
    })
    const { transport, input, closed } = accept({ output })
    const large = { text: 'x'.repeat(64 * 1024) }
    for (const id of [1, 2, 3, 4]) transport.write(response(id, large))
    for (let i = 0; i < 20; i++) await turn()
    t.ok(transport.writableLength > 0, 'the writer waits')
    input.end('nonsense\n')
    transport.once('end', () => transport.end(response(5)))
    while (!transport.closed) {
      take?.()
      await turn()
    }
    const ids = given.flatMap((text) => text.trim().split('\n')).map((one) => JSON.parse(one).id)
    t.ok(ids.includes(null))
    t.strictSame(
      ids.filter((id) => id !== null),
      [1, 2, 3, 4, 5]
    )
    t.equal(await closed, undefined)
  }
)

t.test('a reader that closes the output destroys it without an error', async (t) => {
  const leaving = accept()
  leaving.output.destroy()
  t.equal(await leaving.closed, undefined)
  t.ok(leaving.input.destroyed)

  for (const code of ['EPIPE', 'ERR_STREAM_DESTROYED']) {
    const error = Object.assign(new Error(code), { code })
    const broken = accept()
    broken.output.destroy(error)
    t.equal(await broken.closed, undefined)

    for (const at of ['write', 'final']) {
      const output = new Writable({
        write: (_chunk, _encoding, callback) => callback(at === 'write' ? error : null),
        final: (callback) => callback(error)
      })
      const { transport, closed } = accept({ output })
      transport.end(response(1))
      t.equal(await closed, undefined, `${code} at ${at}`)
    }
  }
})

t.test('an output that was closed before destroys it without an error', async (t) => {
  const output = new PassThrough()
  output.destroy()
  await once(output, 'close')
  const { transport, closed } = accept({ output })
  transport.write(response(1))
  t.equal(await closed, undefined)
})

t.test('a stream that fails destroys it with the error', async (t) => {
  const error = Object.assign(new Error('broken'), { code: 'EIO' })
  for (const side of ['input', 'output'] as const) {
    const accepted = accept()
    accepted[side].destroy(error)
    t.equal(await accepted.closed, error)
    t.ok(accepted.input.destroyed && accepted.output.destroyed)
  }
})

t.test('an input that closes without `end` has ended', async (t) => {
  const { transport, input, written, frames, closed } = accept()
  input.write(`${request(1, 'm')}\n${request(2, 'm')}`)
  await frames.until(() => true)
  input.destroy()
  await once(transport, 'end')
  t.equal(frames.length, 2)
  transport.end(response(1))
  t.equal((await written).length, 1)
  t.equal(await closed, undefined)
})

t.test('`endInput` ends the input', async (t) => {
  const { transport, input, written, frames, closed } = accept()
  input.write(line(request(1, 'm')))
  await frames.until(() => true)
  transport.endInput()
  transport.endInput()
  t.ok(input.destroyed)
  await once(transport, 'end')
  transport.end(response(1))
  t.equal((await written).length, 1, 'the request gets its response')
  t.equal(await closed, undefined)
  transport.endInput()
})

t.test('destroyed, it destroys both streams', async (t) => {
  for (const error of [undefined, new Error('enough')]) {
    const { transport, input, output, frames, closed } = accept()
    input.write('{"jsonrpc":"2.0","method":"half of')
    transport.destroy(error)
    transport.destroy(new Error('too late'))
    transport.endInput()
    t.equal(await closed, error)
    t.ok(input.destroyed && output.destroyed)
    t.equal(frames.length, 0)
  }
})

t.test('destroyed during a write, it closes and calls back the writers', async (t) => {
  for (const error of [undefined, new Error('enough')]) {
    const output = new Writable({ write() {} })
    const { transport, closed } = accept({ output })
    transport.write(response(1))
    await turn()
    const write = (id: number): Promise<unknown> =>
      new Promise((resolve) =>
        transport.write(response(id, 'x'.repeat(64 * 1024)), (error) => resolve(error ?? undefined))
      )
    const waiting = write(2)
    const behind = write(3)
    await turn()
    transport.destroy(error)
    t.equal(await waiting, undefined, 'it was given to the output')
    t.match(await behind, error ?? { code: 'ERR_STREAM_DESTROYED' })
    t.equal(await closed, error)
    t.ok(output.destroyed)
  }
})

t.test('frames written in the turn in which it is destroyed are not lost', async (t) => {
  const given: string[] = []
  const output = new Writable({
    write(chunk, _encoding, callback) {
      given.push(String(chunk))
      callback()
    }
  })
  const { transport, closed } = accept({ output })
  transport.write(response(1))
  transport.write(response(2))
  transport.destroy()
  t.equal(await closed, undefined)
  t.strictSame(given, [line(response(1)) + line(response(2))])
})

t.test('it ends when the output has taken all frames', async (t) => {
  let take: (() => void) | undefined
  let isEnded = false
  const output = new Writable({
    write: (_chunk, _encoding, callback) => void (take = () => callback()),
    final(callback) {
      isEnded = true
      callback()
    }
  })
  const { transport, closed } = accept({ output })
  const taken = new Promise((resolve) => transport.write(response(1), resolve))
  t.equal(await taken, null, 'before the output has taken it')
  transport.end(response(2))
  await turn()
  t.notOk(isEnded)
  take?.()
  await turn()
  t.ok(isEnded)
  transport.resume().endInput()
  t.equal(await closed, undefined)
})

t.test('a signal destroys it, even one that is aborted before', async (t) => {
  const controller = new AbortController()
  const later = accept({ signal: controller.signal })
  controller.abort()
  const before = accept({ signal: AbortSignal.abort() })
  for (const { input, closed } of [later, before]) {
    t.match(await closed, { name: 'AbortError' })
    t.ok(input.destroyed)
  }
})

t.test('one socket may be both streams', async (t) => {
  const server = net.createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const accepting = once(server, 'connection') as Promise<[net.Socket]>
  const { port } = server.address() as AddressInfo
  const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const [socket] = await accepting
  const transport = acceptStdio({ input: socket, output: socket })
  const { frames, closed } = watch(transport)
  client.end(line(request(1, 'm')))
  await once(transport, 'end')
  transport.end(response(frames[0]?.id as number))
  t.equal(await text(client), line(response(1)))
  t.equal(await closed, undefined)
})

// ---- A process's own stdin and stdout.

/** A process that sends each message back. */
function echo(): ChildProcessWithoutNullStreams {
  const file = new URL('../../lib/stdio/accept-stdio.ts', import.meta.url)
  const source = `
    import { acceptStdio } from ${JSON.stringify(file)}
    const client = acceptStdio()
    client.on('error', (error) => console.error(error))
    client.pipe(client)
  `
  // With the loader of this process, so that the lines it runs count as covered.
  return spawn(process.execPath, [...process.execArgv, '--input-type=module', '--eval', source], {
    env: { ...process.env, TAP_TYPE_STRIP_ONLY: '1' }
  })
}

t.test(
  'without streams it uses stdin and stdout, and writes all before the process exits',
  async (t) => {
    const child = echo()
    const lines = Array.from({ length: 1000 }, (_, id) => line(request(id, 'm')))
    child.stdin.end(lines.join(''))
    const [said, errors, exit] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit')
    ])
    t.equal(said, lines.join(''))
    t.equal(errors, '')
    t.strictSame(exit, [0, null])
  }
)

t.test(
  'a reader such as head ends the process without an error, though its input stays open',
  async (t) => {
    const child = echo()
    child.stdin.on('error', () => {})
    child.stdin.write(line(request(1, 'm')))
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const talking = setInterval(() => child.stdin.write(line(request(2, 'm'))), 10)
    const errors = text(child.stderr)
    t.strictSame(await once(child, 'exit'), [0, null])
    clearInterval(talking)
    t.equal(await errors, '')
  }
)

t.test(
  'each call in flight has a unique id at the server, and a late response is dropped',
  async (t) => {
    const log = new KeptLog()
    const { transport, input, written, frames } = accept({ log })
    const cancelled = notification('notifications/cancelled', { requestId: 1 })
    for (const frame of [request(1, 'm'), request(1, 'm'), cancelled, request(1, 'm')])
      input.write(line(frame))
    input.end()
    await once(transport, 'end')
    const [first, second, , third] = frames.map(({ id }) => id)
    t.equal(first, 1)
    t.equal(new Set([first, second, third]).size, 3)
    for (const [id, result] of [
      [third, 'c'],
      [first, 'a'],
      [second, 'b']
    ] as const) {
      transport.write(response(id as number, result))
    }
    transport.end()
    t.match(await written, [
      { id: 1, result: 'c' },
      { id: 1, result: 'b' }
    ])
    t.match(log.lines[0], /dropped a response to no pending request \(id 1\)/)
  }
)

t.test('a refused notification gets no response, but a line in the log', async (t) => {
  const log = new KeptLog()
  const { transport, written } = accept({ log })
  transport.write(errorFrame(undefined, new ProxyError('ERR_REQUEST', 'not here')))
  transport.end(response(1))
  t.strictSame(await written, [response(1).message()])
  t.match([...log.lines], ['warn: a notification was refused: not here'])
})

t.test('facts have the session, each message, and what is refused', async (t) => {
  const sessions: SessionFact[] = []
  const messages: MessageFact[] = []
  const refusals: RefusalFact[] = []
  for (const [name, facts] of [
    ['session', sessions],
    ['message', messages],
    ['refusal', refusals]
  ] as const) {
    const listener = (fact: unknown): void => void facts.push(fact as never)
    subscribe(`mcp-duplex:${name}`, listener)
    t.teardown(() => unsubscribe(`mcp-duplex:${name}`, listener))
  }
  const { transport, input, written, frames, closed } = accept()
  const { client } = transport
  t.match(client, { server: '', session: /^stdio-\d+$/, kind: 'session' })
  t.not(accept().transport.client.session, client.session, 'each has its own id')
  t.strictSame(sessions[0], { type: 'open', client })

  const sent = [request(1, 'a'), request(1, 'b'), notification('c')]
  input.write([...sent, '{"jsonrpc":"2.0","id":3}', 'x', ''].join('\n'))
  await until(() => frames.length === 3)
  const fromClient = messages.map(({ client, from, frame, delivered }) => {
    return { client, from, id: frame.id, method: frame.method, delivered }
  })
  const each = { client, from: 'client', delivered: true }
  const [, second] = frames
  t.strictSame(fromClient, [
    { ...each, id: 1, method: 'a' },
    { ...each, id: second?.id, method: 'b' },
    { ...each, id: undefined, method: 'c' }
  ])
  t.not(second?.id, 1, 'ids are unique among the requests in flight')
  t.match(
    refusals.map(({ error, address, server }) => [error.code, address, server]),
    [
      ['ERR_FRAME_ENVELOPE', '', ''],
      ['ERR_FRAME_SYNTAX', '', '']
    ]
  )

  messages.length = 0
  const failure = new ProxyError('ERR_SERVER_EXITED', 'gone')
  transport.write(response(second?.id as number))
  transport.write(errorFrame(undefined, failure))
  input.write(line(notification('notifications/cancelled', { requestId: 1 })))
  await until(() => messages.length === 3)
  transport.write(response(1))
  input.end()
  transport.end()
  await Promise.all([written, closed])
  t.strictSame(
    messages.map(({ from, frame, delivered }) => [from, frame.id, delivered]),
    [
      ['server', second?.id, true],
      ['server', undefined, false],
      ['client', undefined, true],
      ['server', 1, false]
    ],
    'a message that the client cannot get is not delivered'
  )
  t.strictSame(sessions.at(-1), { type: 'end', client, error: undefined })
})

t.test('an error of the proxy itself is a fact', async (t) => {
  const messages: MessageFact[] = []
  const listener = (fact: unknown): void => void messages.push(fact as MessageFact)
  subscribe('mcp-duplex:message', listener)
  t.teardown(() => unsubscribe('mcp-duplex:message', listener))
  const input = new PassThrough()
  const transport = acceptStdio({ input, output: new PassThrough() })
  transport.on('data', () => {
    throw new Error('broken')
  })
  input.write(line(request(1, 'a')))
  await until(() => messages.length === 2)
  t.match(messages, [
    { from: 'client', frame: { id: 1, method: 'a' } },
    { from: 'server', frame: { id: 1, failure: { code: 'ERR_INTERNAL' } } }
  ])
  transport.destroy()
})
