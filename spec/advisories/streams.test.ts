// Advisories about lines and event streams without an end.

import { once } from 'node:events'
import { createServer } from 'node:http'
import { PassThrough } from 'node:stream'
import type { Duplex } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { SseParser } from '../../lib/framing/sse.ts'
import { connectHttp } from '../../lib/http-client/connect-http.ts'
import { connectSse } from '../../lib/http-client/connect-sse.ts'
import { acceptStdio } from '../../lib/stdio/accept-stdio.ts'
import { connectChild } from '../../lib/stdio/connect-child.ts'
import { demo, openShell } from '../command/run.ts'
import { listenLocally, script, watch } from '../helpers.ts'
import { opening } from '../http-client/helpers.ts'
import { initialize, json, until } from '../http-server/helpers.ts'
import { memoryInUse } from '../memory.ts'
import { flood, growth, maxMessage, MiB, part } from './memory.ts'

t.setTimeout(120_000)

// ---- Lines

t.test(
  'CVE-2026-63119: a line without an end is not kept, from a server or a client',
  async (t) => {
    const source = `
    let left = ${flood}
    const go = () => {
      while (left > 0) {
        left -= 65536
        if (!process.stdout.write('x'.repeat(65536))) return process.stdout.once('drain', go)
      }
    }
    go()`
    const ofServer = await growth(async () => {
      const child = connectChild({ ...script(source), maxMessage })
      await watch(child).closed
    })
    t.ok(ofServer < 16, `${ofServer} MiB`)
    const ofClient = await growth(async () => {
      const input = new PassThrough()
      const client = acceptStdio({ input, output: new PassThrough().resume(), maxMessage })
      const { closed } = watch(client)
      for (let size = 0; size < flood; size += part.length) {
        if (!input.write(part)) await once(input, 'drain')
      }
      input.end()
      client.end()
      await closed
    })
    t.ok(ofClient < 16, `${ofClient} MiB`)
  }
)

t.test(
  'CVE-2026-53937: nor does a line without an end fill the memory of the program',
  async (t) => {
    const shell = openShell(t)
    const env = { NODE_OPTIONS: '--max-old-space-size=40' }
    const { url } = await shell.serve(`mcp-proxy --port 0 -- ${demo}`)
    const running = shell.start(`mcp-proxy --max-message 1m ${url}mcp`, { env })
    const { stdin, stdout } = running.child
    let text = ''
    stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
    stdin.write('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"')
    for (let size = 0; size < flood; size += part.length) {
      if (!stdin.write(part)) await once(stdin, 'drain')
    }
    stdin.write('"}\n')
    stdin.end(`${json({ ...initialize, id: 2 })}\n`)
    const { code } = await running.ended
    t.equal(code, 0)
    const [first, second] = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object)
    t.match(first, { id: 1, error: { code: -32600 } })
    t.match(second, { id: 2, result: {} })
  }
)

// ---- Event streams

/** Connects to a remote that sends an event without end. Resolves to the growth in MiB. */
async function streamFrom(t: Test, connect: (url: string) => Duplex): Promise<number> {
  let sent = 0
  const remote = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('event: message\ndata: {"jsonrpc":"2.0","id":"init","result":"')
    const go = (): void => {
      while (sent < flood && !response.destroyed) {
        sent += part.length
        if (!response.write(part)) return void response.once('drain', go)
      }
      response.end('"}\n\n')
    }
    go()
  })
  const url = `http://127.0.0.1:${await listenLocally(t, remote)}/`
  const transport = connect(url)
  t.teardown(() => transport.destroy())
  const grown = await growth(async () => {
    const { answer } = watch(transport)
    transport.write(opening())
    const outcome = await answer('init').catch(({ message }: Error) => ({ error: { message } }))
    t.match(outcome, { error: { message: /./ } })
    await until(() => sent >= flood || transport.destroyed)
  })
  return grown
}

t.test('CVE-2026-53965: an event without an end is not kept', async (t) => {
  const connectTimeout = 3000
  const options = { maxMessage, env: {}, connectTimeout }
  const overHttp = await streamFrom(t, (url) => connectHttp({ url, ...options }))
  t.ok(overHttp < 32, `${overHttp} MiB`)
  const overSse = await streamFrom(t, (url) => connectSse({ url, ...options }))
  t.ok(overSse < 32, `${overSse} MiB`)
})

t.test('CVE-2026-84378: a long line in many pieces takes linear time', async (t) => {
  let frames = 0
  const parser = new SseParser({ onFrame: () => frames++, onInvalid: (error) => t.fail(error) })
  const text = `data: {"jsonrpc":"2.0","method":"a","params":{"a":"${'x'.repeat(2 * MiB)}"}}\n\n`
  const bytes = Buffer.from(text)
  const start = process.cpuUsage()
  for (let at = 0; at < bytes.length; at += 8) parser.feed(bytes.subarray(at, at + 8))
  const { user, system } = process.cpuUsage(start)
  t.equal(frames, 1)
  // To read the line again with each piece would take minutes.
  t.ok(user + system < 3_000_000, `${(user + system) / 1000} ms`)
})

t.test(
  'GHSA-4qv8-2p9j-2685: many short lines of an event take no more than its limit',
  async (t) => {
    for (const line of ['data\n', 'data:\n', 'data: x\n', 'data:\r']) {
      const refused: unknown[] = []
      const onFrame = (): void => void t.fail('the event has no end')
      const onInvalid = ({ code }: { code: unknown }): void => void refused.push(code)
      const parser = new SseParser({ maxMessage: 2 * MiB, onFrame, onInvalid })
      const lines = Buffer.from(line.repeat(16 * 1024))
      const before = memoryInUse()
      const most = (2 * MiB) / (line.includes('x') ? 2 : 1)
      for (let count = 16 * 1024; count < most; count += 16 * 1024) parser.feed(Buffer.from(lines))
      const held = (memoryInUse() - before) / MiB
      t.ok(held < 6, `${held} MiB for ${JSON.stringify(line)}`)
      parser.feed(Buffer.concat([lines, lines, Buffer.from('\n\n')]))
      t.strictSame(refused, ['ERR_FRAME_TOO_LARGE'])
    }
  }
)
