// Messages of clients that a parser may read in another way than the proxy: no shared server gets them.

import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { methods } from '../../lib/protocol/methods.ts'
import { RoutingMembers } from '../../lib/wrappers/routing-members.ts'
import { share } from '../../lib/wrappers/share.ts'
import { shareSessions } from '../../lib/wrappers/share-sessions.ts'
import { randomFrom } from '../interop/random-json.ts'
import { clientOn, TextServer } from './text-server.ts'
import type { Client } from './text-server.ts'

const ping = '"jsonrpc":"2.0","method":"x"'
const call = '"jsonrpc":"2.0","method":"tools/call"'
const logLevel = 'io.modelcontextprotocol/logLevel'
const cancel = '"jsonrpc":"2.0","method":"notifications/cancelled"'
const progress = '"jsonrpc":"2.0","method":"notifications/progress"'

/** Requests, and the id in the error response. */
const requests: [text: string, id: string][] = [
  ['{"id":5,"ID":1,"jsonrpc":"2.0","method":"x"}', 'null'],
  ['{"ID":1,"id":5,"jsonrpc":"2.0","method":"x"}', 'null'],
  [`{"id":5,"id":1,${ping}}`, 'null'],
  [`{"id":1,"\\u0069d":5,${ping}}`, 'null'],
  [`{"id":5,"\\u0049D":1,${ping}}`, 'null'],
  [`{"id":5,"iD":[1],${ping}}`, 'null'],
  [`{"id":5.0,${ping},"Method":"y"}`, '5.0'],
  [`{"id":"a\\u0041",${ping},"method":"x"}`, '"a\\u0041"'],
  [`{"id":9007199254740993,${ping},"JsonRPC":"2.0"}`, '9007199254740993'],
  [`{"id":5,${ping},"result":{}}`, '5'],
  [`{"id":5,${ping},"error":null}`, '5'],
  [`{"id":5,${ping},"Result":{}}`, '5'],
  [`{"id":5,${ping},"params":{},"PARAMS":{}}`, '5'],
  [`{"id":5,${ping},"paramſ":{}}`, '5'],
  [`{"id":5,${ping},"params":{"_meta":{"progressToken":1}},"params":{}}`, '5'],
  [`{"id":5,${ping},"params":{"_meta":{},"_Meta":{"progressToken":1}}}`, '5'],
  [`{"id":5,${ping},"params":{"_META":{"progressToken":1}}}`, '5'],
  [`{"id":5,${ping},"params":{"_meta":{"progressToken":1},"\\u005fmeta":{}}}`, '5'],
  [`{"id":5,${ping},"params":{"_meta":{"progresstoken":1}}}`, '5'],
  [`{"id":5,${ping},"params":{"_meta":{"progressToken":1,"progressToken":2}}}`, '5'],
  [`{"id":5,${ping},"params":{"_meta":{"progressToken":1,"progressTo\u212aen":2}}}`, '5'],
  [`{"id":5,${ping},"params":{"_meta":{"progre\\u017fsToken":2}}}`, '5'],
  [`{"id":5,${ping},"params":{"_meta":{"io.modelcontextprotocol/LogLevel":"debug"}}}`, '5'],
  [`{"id":5,${ping},"params":{"_meta":{"progressToken":["1"]}}}`, '5'],
  [`{"id":5,${ping},"params":{"_meta":{"progressToken":{"a":1}}}}`, '5'],
  [`{"id":5,${ping},"params":{"_meta":{"progressToken":true}}}`, '5'],
  [`{"id":5,${ping},"params":{"_meta":{"progressToken":false}}}`, '5'],
  [`{"id":5,${ping},"params":[{"progressToken":1}]}`, '5'],
  [`{"id":5,${ping},"params":{"_meta":["1"]}}`, '5'],
  [`{"id":5,${ping},"params":{"_meta":"a"}}`, '5'],
  [`{"id":5,${ping},"params":{"_meta":{"${logLevel}":"debug","${logLevel}":"error"}}}`, '5'],
  [`{"id":5,${call},"params":{"name":"a","name":"b"}}`, '5'],
  [`{"id":5,${call},"params":{"NAME":"b","name":"a"}}`, '5'],
  [`{"id":5,${call},"params":{"name":"a","n\\u0061me":"b"}}`, '5']
]

const others: string[] = [
  `{${cancel},"ID":1}`,
  `{${cancel},"params":{"requestId":7,"RequestId":1}}`,
  `{${cancel},"params":{"requestId":1,"requestId":7}}`,
  `{${cancel},"params":{"requestid":1}}`,
  `{${cancel},"params":{"reque\\u0073tId":1,"requestId":7}}`,
  `{${cancel},"params":{"requestId":["1"]}}`,
  `{${cancel},"params":{"requestId":{}}}`,
  `{${cancel},"Params":{"requestId":1}}`,
  `{${progress},"params":{"progressToken":1,"ProgressToken":2}}`,
  `{${progress},"params":{"progressToken":[1]}}`,
  '{"jsonrpc":"2.0","method":"notifications/x","METHOD":"tools/call"}',
  '{"jsonrpc":"2.0","id":1,"result":{},"Method":"x"}',
  '{"jsonrpc":"2.0","id":1,"ID":2,"error":{"code":1,"message":""}}'
]

async function refuses(
  t: Test,
  { send, texts, frames }: Client,
  server: TextServer
): Promise<void> {
  await send({ method: 'notifications/hello' })
  const before = server.received.length
  for (const [text, id] of [...requests, ...others.map((text) => [text, 'null'] as const)]) {
    await send(text)
    await frames.until(() => frames.length > 0)
    t.equal(frames.length, 1, text)
    t.match(texts()[0], `{"jsonrpc":"2.0","id":${id},"error":{"code":-32600,"message":`, text)
    frames.length = 0
  }
  t.equal(server.received.length, before, 'the server gets none of them')
}

t.test('a shared server gets no message that is not clear', async (t) => {
  const server = new TextServer()
  const shared = share(() => server)
  t.teardown(() => shared.destroy())
  await refuses(t, clientOn(shared.port()), server)
})

t.test('a server that sessions share gets none either', async (t) => {
  const server = new TextServer()
  server.onFrame = ({ id }) => id !== undefined && server.say({ id, result: {} })
  const sessions = shareSessions(() => server)
  t.teardown(() => sessions.destroy())
  const client = clientOn(sessions.port())
  await refuses(t, client, server)
  const uri = '"jsonrpc":"2.0","id":1,"method":"resources/subscribe"'
  const own = [
    '{"jsonrpc":"2.0","id":1,"method":"ping","Id":2}',
    '{"jsonrpc":"2.0","id":1,"method":"initialize","id":2}',
    '{"jsonrpc":"2.0","method":"notifications/initialized","ID":2}',
    '{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"error","Level":"debug"}}',
    `{${uri},"params":{"uri":"a:a","URI":"a:b"}}`,
    `{${uri},"params":{"uri":"a:a","uri":"a:b"}}`
  ]
  const before = server.received.length
  for (const text of own) {
    await client.send(text)
    await client.frames.until(() => client.frames.length > 0)
    t.equal(client.frames[0]?.errorCode, -32600, text)
    client.frames.length = 0
  }
  t.equal(server.received.length, before)
})

t.test('names that do not decide whose message it is may come in every form', async (t) => {
  const server = new TextServer()
  const shared = share(() => server)
  t.teardown(() => shared.destroy())
  const { send, frames } = clientOn(shared.port())
  const texts = [
    `{"\\u0069d":1,${ping},"params":{"id":1,"ID":2,"Method":"a","requestId":1,"RequestID":1,"n":1,"n":2}}`,
    `{"id":2,${ping},"params":{"arguments":{"_meta":1,"_META":{"progressToken":[1]},"params":1,"Params":2}}}`,
    `{"id":3,${ping},"params":{"_meta":{"id":1,"ID":1,"é":{"progressToken":[1]},"progressToken":null}}}`,
    `{"id":4,${ping},"params":{"list":[{"_META":1}]},"Extra":{"ID":1}}`,
    `{ "id" : 5 , ${ping} , "params" : { "_meta" : null } , "progressToken" : [ ] }`,
    `{${cancel},"params":{"requestId":null}}`,
    `{${cancel}}`
  ]
  for (const text of texts) await send(text)
  t.equal(frames.length, 0)
  t.strictSame(
    server.received.map(String),
    texts.slice(0, 5),
    'and a cancellation of nothing is dropped'
  )
})

t.test('a message that is clear at its first reading is so at a walk over it', async (t) => {
  const random = randomFrom(22)
  const pick = <Item>(items: Item[]): Item => items[Math.floor(random() * items.length)] as Item
  const names = ['_meta', '_Meta', 'name', 'NAME', 'uri', 'progressToken', 'progresstoken', 'x']
  names.push('id', 'requestId', 'level', 'ref', 'notifications', logLevel, logLevel.toUpperCase())
  const object = (depth: number): string => {
    const members = Array.from({ length: Math.floor(random() * 4) }, () => {
      const value =
        depth > 0 && random() < 0.5 ? object(depth - 1) : pick(['1', '"a"', 'null', '[]'])
      return `"${pick(names)}":${value}`
    })
    return `{${members.join(',')}}`
  }
  let clear = 0
  for (let round = 0; round < 20_000; round++) {
    const method = pick([...Object.values(methods), 'x'])
    const more = pick(['', '"id":1,', '"id":"a",', '"id":1,"result":{},'])
    const text = `{${more}"jsonrpc":"2.0","method":"${method}","params":${object(2)}}`
    const frame = parseFrame(Buffer.from(text))
    if (frame.isClear) clear++
    const [one, other] = [frame, frame.withBytes(frame.bytes)].map((frame) => {
      const { token, logLevel, cancelledId, notifications, fault } = new RoutingMembers(frame)
      return { token, logLevel, cancelledId, notifications, fault }
    })
    if (!isDeepStrictEqual(one, other)) t.fail(text)
  }
  t.ok(clear > 1000, `${clear} messages are clear`)
})

t.test('the ids of requests cannot be guessed', async (t) => {
  const server = new TextServer()
  const shared = share(() => server)
  t.teardown(() => shared.destroy())
  const { send } = clientOn(shared.port())
  for (let id = 0; id < 2000; id++) await send({ id, method: 'x' })
  const ids = server.ids as number[]
  t.equal(new Set(ids).size, 2000)
  t.ok(ids.every((id) => Number.isInteger(id) && id >= 2 ** 20 && id < 2 ** 31))
  const steps = ids.slice(1).map((id, index) => id - (ids[index] as number))
  t.ok(new Set(steps).size > 1900, 'no id follows from the one before')
})
