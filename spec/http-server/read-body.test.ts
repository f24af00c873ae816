// Reading the body of a request, over real sockets.

import { test } from 'tap'
import type { Test } from 'tap'
import { readBody, readFrames } from '../../lib/http-server/read-body.ts'
import { exchangeOver } from './helpers.ts'

const head = (...headers: string[]): string =>
  ['POST / HTTP/1.1', 'Host: x', ...headers, '', ''].join('\r\n')
const sized = (length: number): string => head(`Content-Length: ${length}`)
const chunked = head('Transfer-Encoding: chunked')
const chunk = (data: string): string => `${data.length.toString(16)}\r\n${data}\r\n`

/** Reads what follows the head, in these pieces, one after another. */
async function read(t: Test, max: number, first: string, ...pieces: string[]): Promise<string> {
  const { request, socket } = await exchangeOver(t, first)
  const send = async (): Promise<void> => {
    for (const piece of pieces) {
      socket.write(piece)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const [body] = await Promise.all([readBody(request, max), send()])
  return body.toString()
}

test('a body is read whole, however it comes', async (t) => {
  t.equal(await read(t, 10, sized(6), 'ab', 'c', 'def'), 'abcdef')
  t.equal(await read(t, 10, `${sized(6)}abcdef`), 'abcdef')
  t.equal(await read(t, 10, chunked, chunk('abc'), chunk('def'), '0\r\n\r\n'), 'abcdef')
  t.equal(await read(t, 10, sized(0)), '')
  t.equal(await read(t, 0, sized(6), 'abcdef'), 'abcdef', 'without a limit')
})

test('a body may be as large as the limit and no larger', async (t) => {
  t.equal(await read(t, 6, sized(6), 'abcdef'), 'abcdef')
  t.equal(await read(t, 6, chunked, chunk('abcdef'), '0\r\n\r\n'), 'abcdef')
  const tooLarge = { code: 'ERR_FRAME_TOO_LARGE', message: /7 bytes is over the limit of 6/ }
  await t.rejects(read(t, 6, sized(7), 'abcdefg'), tooLarge)
  await t.rejects(read(t, 6, chunked, chunk('abcdef'), chunk('g'), '0\r\n\r\n'), tooLarge)
})

test('a body that is too large is refused when it has gone by, and is not kept', async (t) => {
  const { request, socket, response, text } = await exchangeOver(t, chunked)
  const body = readBody(request, 6)
  socket.write(chunk('{"id":'))
  socket.write(`${chunk('7,')}${chunk(`"method":"x","y":"${'h'.repeat(1024 * 1024)}"}`)}0\r\n\r\n`)
  await t.rejects(body, {
    code: 'ERR_FRAME_TOO_LARGE',
    envelope: { kind: 'request', id: 7, method: 'x' }
  })
  response.end('heard')
  t.ok(await text.until('heard'))
})

test('a client that goes away in the middle of a body is given up', async (t) => {
  for (const first of [sized(6), chunked]) {
    const { request, socket } = await exchangeOver(t, first)
    const body = readBody(request, 10)
    socket.write(first === chunked ? chunk('abc') : 'abc')
    socket.end()
    await t.rejects(body, { code: 'ERR_CLOSED' })
  }
})

test('a client that went away before it was read is given up', async (t) => {
  const { request, socket } = await exchangeOver(t, sized(6))
  socket.destroy()
  await new Promise((resolve) => request.once('error', resolve))
  await t.rejects(readBody(request, 10), { code: 'ERR_CLOSED' })
})

test('an answer that cannot pass is replaced by an error for the server that waits', async (t) => {
  const bodies = {
    'too large': '{"jsonrpc":"2.0","result":"xxxxxxxxxxxxxxxxxxxxxxxxx","id":7}',
    'no message': '{"result":1,"id":7}',
    'a request': '{"jsonrpc":"2.0","method":"xxxxxxxxxxxxxxxxxxxxxxxxx","id":7}'
  }
  for (const [what, body] of Object.entries(bodies)) {
    for (const first of [`${sized(body.length)}${body}`, chunked]) {
      const { request, socket } = await exchangeOver(t, first)
      const answers: string[] = []
      const frames = readFrames(request, 30, (answer) => answers.push(answer.toString()))
      // All that has gone by is scanned, what came before the limit was passed included.
      if (first === chunked) for (const byte of body) socket.write(chunk(byte))
      if (first === chunked) socket.write('0\r\n\r\n')
      await t.rejects(frames, { code: /^ERR_FRAME_/ }, what)
      t.equal(answers.length, what === 'a request' ? 0 : 1, what)
      for (const answer of answers) t.match(JSON.parse(answer), { id: 7, error: { code: -32600 } })
    }
  }
})
