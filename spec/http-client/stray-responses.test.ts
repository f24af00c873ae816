// Responses to requests that are no longer pending, or never were, do not reach the client.

import tap, { test } from 'tap'
import { answer } from '../../fixtures/servers/http.js'
import type { Json } from '../../fixtures/servers/http.js'
import { metaKeys } from '../../lib/protocol/meta-keys.ts'
import { notification, request } from '../helpers.ts'
import { byMethod, overHttp, overSse, parsed } from './helpers.ts'
import type { Connected } from './helpers.ts'

tap.setTimeout(60_000)

const dropped = ({ log }: Connected): string[] =>
  log.lines.filter((line) => line.startsWith('debug: dropped a response to no pending request'))

const result = (id: unknown): Json => ({ jsonrpc: '2.0', id, result: {} })

/** The ids of the frames after the session began. */
const idsOf = ({ frames }: Connected): unknown[] =>
  frames.map(({ id }) => id).filter((id) => id !== 'init')

test('over Streamable HTTP, second responses and unknown ids are dropped', async (t) => {
  const session = await overHttp(t, {
    onPost: byMethod({
      stream: ({ sse }, { id }) => {
        const stream = sse()
        for (const each of ['unknown', id, id]) stream.send(result(each))
        stream.end()
      },
      json: ({ json }, { id }) => json([result('unknown'), result(id), result(id)]),
      other: ({ json }, { id }) => json([result(id)])
    })
  })
  await session.initialize()
  await session.ask('stream')
  await session.ask('json')
  await session.ask('other')
  t.strictSame(idsOf(session), ['watched-1', 'watched-2', 'watched-3'])
  t.equal(dropped(session).length, 4)
})

test('a call whose POST failed gets one error, and no response later', async (t) => {
  const session = await overHttp(t, {
    onPost: byMethod({ call: ({ status }) => status(500) })
  })
  await session.initialize()
  await session.server.received.until(({ method }) => method === 'GET')
  const { error } = await session.ask('call')
  t.match(error?.message, /answered 500$/)
  const [stream] = session.server.streams
  stream?.send(result('watched-1'))
  stream?.send({ jsonrpc: '2.0', method: 'n' })
  await session.frames.until(({ method }) => method === 'n')
  t.strictSame(idsOf(session), ['watched-1', undefined])
  t.equal(dropped(session).length, 1)
})

test('a response to a cancelled call is dropped', async (t) => {
  for (const session of [await overHttp(t), await overSse(t)]) {
    const script = { call: ({ status }: { status: (code: number) => void }) => status(202) }
    session.server.script.onPost = byMethod(script)
    session.server.script.onMessage = byMethod(script)
    await session.initialize()
    await session.server.received.until(({ method }) => method === 'GET')
    session.transport.write(request(1, 'call'))
    await session.write(notification('notifications/cancelled', { requestId: 1 }))
    session.server.streams[0]?.send(result(1))
    t.match(await session.ask('ping'), { result: {} })
    t.strictSame(idsOf(session), ['watched-1'])
    t.equal(dropped(session).length, 1)
  }
})

test('over HTTP+SSE, second responses and unknown ids are dropped', async (t) => {
  const session = await overSse(t, {
    onMessage: (message, { status }) => {
      status(message.method === 'fails' ? 500 : 202)
      if (message.id === undefined) return
      const ids =
        message.method === 'initialize' ? [message.id] : ['unknown', message.id, message.id]
      for (const id of ids) session.server.streams[0]?.send({ ...answer(message), id })
    }
  })
  await session.initialize()
  await session.ask('call')
  await session.ask('call')
  t.strictSame(idsOf(session), ['watched-1', 'watched-2'])
  t.match(dropped(session).length, 4)

  session.server.script.onMessage = (_message, { status }) => status(500)
  const { error } = await session.ask('fails')
  t.match(error?.message, /answered 500$/)
  session.server.streams[0]?.send(result('watched-3'))
  session.server.streams[0]?.send({
    jsonrpc: '2.0',
    id: null,
    error: { code: -32600, message: '' }
  })
  const last = await session.frames.until((frame) => frame.id === undefined)
  t.match(parsed(last), { id: null }, 'an error without an id passes')
  t.strictSame(idsOf(session), ['watched-1', 'watched-2', 'watched-3', undefined])
})

test('in the modern revision, second responses and unknown ids are dropped', async (t) => {
  const session = await overHttp(t, {
    onPost: ({ id }, { sse }) => {
      const stream = sse()
      for (const each of ['unknown', id, id]) stream.send(result(each))
      stream.send({ jsonrpc: '2.0', method: 'n' })
      stream.send({ jsonrpc: '2.0', id: null, error: { code: -32600, message: '' } })
      stream.end()
    }
  })
  const _meta = { [metaKeys.protocolVersion]: '2026-07-28' }
  await session.ask('ping', { _meta })
  await session.frames.until((frame) => frame.kind === 'response' && frame.id === undefined)
  t.strictSame(idsOf(session), ['watched-1', undefined, undefined])
  t.equal(dropped(session).length, 2)
})
