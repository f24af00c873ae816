// The requests of a client in flight, and their ids at the server.

import { test } from 'tap'
import { ClientRequests } from '../../lib/message/client-requests.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'

const frameOf = (text: string): Frame =>
  parseFrame(Buffer.from(text.replace('{', '{"jsonrpc":"2.0",')))
const call = (id: string, token?: string): Frame =>
  frameOf(
    `{"id":${id},"method":"x","params":{"_meta":{${token ? `"progressToken":${token}` : ''}},"n":1.0}}`
  )
const cancel = (id: unknown): Frame =>
  frameOf(`{"method":"notifications/cancelled","params":{"requestId":${JSON.stringify(id)}}}`)
const answer = (id: unknown): Frame => frameOf(`{"id":${JSON.stringify(id)},"result":{"n":1.0}}`)
const progress = (token: unknown): Frame =>
  frameOf(
    `{"method":"notifications/progress","params":{"progressToken":${JSON.stringify(token)},"progress":1}}`
  )

test('a request whose id is not in use stays as it is', async (t) => {
  const requests = new ClientRequests()
  for (const frame of [call('1', '"t"'), call('"1"', '1'), frameOf('{"method":"n"}')]) {
    t.equal(requests.toServer(frame), frame)
  }
  for (const frame of [answer(1), progress('t'), answer('unknown')]) {
    t.equal(requests.restored(frame), frame)
    requests.settled(frame)
  }
  const again = call('1', '"t"')
  t.equal(requests.toServer(again), again, 'after the response the id is free')
  const late = frameOf('{"id":null,"error":{"code":-32700,"message":"?"}}')
  requests.settled(late)
  t.notOk(requests.isLate(late))
})

test('a second request with an id in flight gets a new id and token, and its frames get them back', async (t) => {
  const requests = new ClientRequests()
  requests.toServer(call('"\\u0061"', '"t"'))
  const second = requests.toServer(call('"a"', '"\\u0074"'))
  t.type(second.id, 'number')
  t.equal(second.progressToken, second.id)
  t.match(second.toString(), `"id":${second.id},"method":"x","params":{"_meta":{"progressToken":`)
  t.match(second.toString(), '"n":1.0', 'the other bytes stay')
  const response = requests.restored(answer(second.id))
  t.equal(response.id, 'a')
  t.equal(response.toString(), answer('a').toString())
  const note = requests.restored(progress(second.progressToken))
  t.equal(note.progressToken, 't')
  t.match(note.toString(), '"progressToken":"\\u0074"', 'as the client wrote it')
  const question = frameOf(
    `{"id":1,"method":"x","params":{"_meta":{"progressToken":${second.id}}}}`
  )
  t.equal(requests.restored(question), question, 'a request of the server has its own token')
  requests.settled(answer(second.id))
  t.equal(requests.restored(answer(second.id)).id, second.id, 'the request is settled')
})

test('a token in flight is replaced although the id is not', async (t) => {
  const requests = new ClientRequests()
  requests.toServer(call('1', '7'))
  const second = requests.toServer(call('2', '7'))
  t.equal(second.id, 2)
  t.not(second.progressToken, 7)
  t.equal(requests.restored(progress(second.progressToken)).progressToken, 7)
  t.equal(requests.restored(answer(2)).id, 2)
})

test('a new id is no id or token that is in use', async (t) => {
  const requests = new ClientRequests()
  requests.toServer(call('1000000001'))
  requests.toServer(call('3', '1000000002'))
  t.equal(requests.toServer(call('3')).id, 1_000_000_003)
  const other = requests.toServer(call('1000000003'))
  t.equal(other.id, 1_000_000_004, 'the client chose the id that the proxy had chosen')
  t.equal(requests.restored(answer(other.id)).id, 1_000_000_003)
  const cancelled = requests.toServer(cancel(1_000_000_003))
  t.match(cancelled.message(), { params: { requestId: 1_000_000_004 } })
})

test('a cancellation names the oldest request in flight with the id, as the server knows it', async (t) => {
  const requests = new ClientRequests()
  const ids = [1, 2, 3].map(() => requests.toServer(call('5')).id)
  t.equal(ids[0], 5)
  const same = cancel(5)
  t.equal(requests.toServer(same), same, 'the first one has its own id')
  for (const id of ids.slice(1)) {
    t.match(requests.toServer(cancel(5)).message(), { params: { requestId: id } })
  }
  for (const id of ids) t.ok(requests.isLate(answer(id)))
  const unknown = [cancel(5), cancel('x'), frameOf('{"method":"notifications/cancelled"}')]
  for (const frame of unknown) t.equal(requests.toServer(frame), frame)
})

test('the id of a cancelled request is in use until its response has come', async (t) => {
  const requests = new ClientRequests()
  requests.toServer(call('1', '"t"'))
  requests.toServer(cancel(1))
  const next = requests.toServer(call('1', '"t"'))
  t.not(next.id, 1)
  t.not(next.progressToken, 't')
  t.ok(requests.isLate(progress('t')))
  t.notOk(requests.isLate(progress(next.progressToken)))
  t.ok(requests.isLate(answer(1)))
  t.notOk(requests.isLate(answer(next.id)))
  requests.settled(answer(1))
  t.notOk(requests.isLate(progress('t')))
  t.equal(requests.restored(answer(next.id)).id, 1)
  const third = call('1', '"t"')
  t.equal(requests.toServer(third), third, 'the id is free at the server')
})

test('abandoned requests take little memory', async (t) => {
  const requests = new ClientRequests()
  const give = (id: string, token?: string): void => {
    requests.toServer(call(id, token))
    requests.abandon(JSON.parse(id) as string)
  }
  const long = JSON.stringify('x'.repeat(257))
  give(long)
  t.notOk(requests.isLate(answer(JSON.parse(long))))
  give('"first"', long)
  t.ok(requests.isLate(answer('first')))
  t.notOk(requests.isLate(progress(JSON.parse(long))))
  for (let id = 0; id < 999; id++) give(String(id))
  t.ok(requests.isLate(answer('first')))
  give('999')
  t.notOk(requests.isLate(answer('first')), 'only the newest 1000 are kept')
  t.ok(requests.isLate(answer(0)))
  requests.abandon('unknown')
  t.notOk(requests.isLate(answer('unknown')))
})

test('a counter counts the requests in flight of several clients', async (t) => {
  const counter = { calls: 0 }
  const one = new ClientRequests(counter)
  const two = new ClientRequests(counter)
  for (const id of ['1', '2', '3']) one.toServer(call(id))
  two.toServer(call('1'))
  t.equal(counter.calls, 4)
  one.settled(answer(1))
  one.settled(answer(1))
  t.equal(counter.calls, 3, 'a second response settles nothing')
  one.abandon(2)
  t.equal(counter.calls, 2)
  one.settled(answer(2))
  t.equal(counter.calls, 2, 'it was abandoned')
  one.end()
  one.settled(answer(3))
  t.equal(counter.calls, 1, 'only the other client has a request in flight')
})
