// Looking into JSON without parsing it.

import t from 'tap'
import { splitArray } from '../../lib/json/split-array.ts'
import { isBlank } from '../../lib/json/walker.ts'
import { EnvelopeScanner } from '../../lib/message/envelope-scanner.ts'
import type { Envelope } from '../../lib/message/envelope.ts'
import { idOf } from '../../lib/message/id.ts'
import { cuts } from '../helpers.ts'
import { deepObject, randomFrom, randomObject } from '../interop/random-json.ts'

function scan(...parts: (string | Buffer)[]): Envelope | undefined {
  const scanner = new EnvelopeScanner()
  for (const part of parts) scanner.feed(Buffer.from(part))
  return scanner.envelope()
}

t.test('the envelope is found wherever it stands', async (t) => {
  const params = '"params":{"id":9,"method":"x","a":["id",{"id":8}]}'
  const request = { kind: 'request', id: 1, method: 'm' }
  t.strictSame(scan(`{"jsonrpc":"2.0","id":1,"method":"m",${params}}`), request)
  t.strictSame(scan(`{${params},"method":"m","jsonrpc":"2.0","id":1}`), request)
  t.strictSame(scan(` { "id" : 1 ,\t"method"\n: "m" , ${params} } `), request)
  t.strictSame(scan(`{"method":"m",${params}}`), { kind: 'notification', method: 'm' })
  t.strictSame(scan('{"result":{"id":9},"id":"a"}'), { kind: 'response', id: 'a' })
  t.strictSame(scan('{"id":-1.5e0,"error":{"code":1,"data":{"method":"m"}}}'), {
    kind: 'response',
    id: idOf('-1.5e0')
  })
})

t.test('the envelope is found wherever the input is cut', async (t) => {
  const bytes = Buffer.from('{"a":"é😀\\"}","id":"\\u00e9\\\\é😀","b":[[],{}],"method":"m"}')
  for (const parts of cuts(bytes)) {
    t.strictSame(scan(...parts), { kind: 'request', id: 'é\\é😀', method: 'm' })
  }
})

t.test('strings that look like an envelope are none', async (t) => {
  t.equal(scan('{"text":"\\",\\"id\\":1,"}'), undefined)
  t.equal(scan('{"text":"{\\"id\\":1}","list":["id",1],"nested":{"id":1}}'), undefined)
  t.equal(scan('{"a":"id","b":1}'), undefined)
})

t.test('escapes in the names of members are read', async (t) => {
  t.strictSame(scan('{"\\u0069d":1}'), { kind: 'response', id: 1 })
})

t.test('of two members with one name the last counts', async (t) => {
  t.strictSame(scan('{"id":1,"id":2}'), { kind: 'response', id: 2 })
})

t.test('an id that is none, or too long to be worth it, is not known', async (t) => {
  for (const id of ['null', 'true', '{}', '[1]', 'nonsense', `"${'x'.repeat(2000)}"`]) {
    t.equal(scan(`{"id":${id}}`), undefined, id.slice(0, 20))
  }
  t.equal(scan(`{"id":${'1'.repeat(2000)}}`), undefined)
  t.strictSame(scan(`{"id":"${'x'.repeat(1000)}"}`), { kind: 'response', id: 'x'.repeat(1000) })
})

t.test('the members of a batch are not taken for the message', async (t) => {
  t.equal(scan('[{"id":1,"method":"m"}]'), undefined)
})

t.test('a message that is cut short tells what it said', async (t) => {
  t.strictSame(scan('{"id":1,"method":"m","params":{"a":['), {
    kind: 'request',
    id: 1,
    method: 'm'
  })
  t.equal(scan('{"id":'), undefined)
})

t.test('an array is split into its elements, byte for byte', async (t) => {
  const split = (text: string): string[] => splitArray(Buffer.from(text)).map(String)
  t.strictSame(split('[]'), [])
  t.strictSame(split(' [ \n ] '), [])
  t.strictSame(split('[1]'), ['1'])
  t.strictSame(split(' [1, "a" ,\n[2,[3]],{"b":[4,{}]} ] '), [
    '1',
    ' "a" ',
    '\n[2,[3]]',
    '{"b":[4,{}]} '
  ])
  t.strictSame(split('["],[","\\"]","\\\\",{"}":"{,"}]'), [
    '"],["',
    '"\\"]"',
    '"\\\\"',
    '{"}":"{,"}'
  ])
  t.strictSame(split('[[],{}]'), ['[]', '{}'])
})

t.test('any elements are split where they were joined', async (t) => {
  const random = randomFrom(11)
  for (let round = 0; round < 200; round++) {
    const elements = Array.from({ length: 1 + (round % 5) }, () => randomObject(random, 3 * round))
    t.strictSame(splitArray(Buffer.from(`[${elements.join(',')}]`)).map(String), elements)
  }
})

t.test('elements may nest as deep as they like', async (t) => {
  const deep = deepObject(50_000)
  const elements = splitArray(Buffer.from(`[${deep},${deep}]`))
  t.strictSame(
    elements.map((element) => element.equals(Buffer.from(deep))),
    [true, true]
  )
})

t.test('only JSON white space is blank', async (t) => {
  t.ok(isBlank(Buffer.from('')))
  t.ok(isBlank(Buffer.from(' \t\r\n')))
  for (const text of ['0', '\u00a0', '\ufeff', '\v', '\0', '  x'])
    t.notOk(isBlank(Buffer.from(text)))
})
