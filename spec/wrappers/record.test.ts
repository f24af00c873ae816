// Recordings: what is in them, and what happens when the file cannot be written.

import { readFileSync, writeFileSync } from 'node:fs'
import { Duplex, PassThrough } from 'node:stream'
import t from 'tap'
import type { Frame } from '../../lib/message/frame.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { join } from '../../lib/proxy/join.ts'
import { acceptStdio } from '../../lib/stdio/accept-stdio.ts'
import { record } from '../../lib/wrappers/record.ts'
import type { RecordedFrame } from '../../lib/wrappers/record.ts'

/** A server that sends each frame back. */
const mirror = (): Duplex =>
  new Duplex({
    objectMode: true,
    read() {},
    write(frame: Frame, _encoding, callback) {
      this.push(frame)
      callback()
    },
    final(callback) {
      this.push(null)
      callback()
    }
  })

const clientThatSends = (said: string): { client: Duplex; heard: { text: string } } => {
  const input = new PassThrough()
  const output = new PassThrough()
  input.end(said)
  const heard = { text: '' }
  output.on('data', (chunk: Buffer) => (heard.text += chunk.toString()))
  return { client: acceptStdio({ input, output }), heard }
}

const linesOf = (file: string): RecordedFrame[] =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as RecordedFrame)

const odd = '{"jsonrpc":"2.0", "id":12345678901234567890,"method":"é\\u2028","id":1}'
const plain = '{"jsonrpc":"2.0","method":"b"}'

t.test('frames are recorded byte for byte, in both directions', async (t) => {
  const file = `${t.testdir()}/session.ndjson`
  const recorder = await record(file)
  const before = new Date().toISOString()
  const { client, heard } = clientThatSends(`${odd}\n${plain}\n`)
  await join(client, mirror(), recorder.tap('one'))
  await recorder.close()
  t.equal(heard.text, `${odd}\n${plain}\n`, 'and they pass unchanged')

  const lines = linesOf(file)
  for (const from of ['client', 'server']) {
    const said = lines.filter((line) => line.from === from)
    t.strictSame(
      said.map(({ frame }) => frame),
      [odd, plain]
    )
  }
  const after = new Date().toISOString()
  for (const line of lines) {
    t.strictSame(Object.keys(line), ['time', 'from', 'session', 'frame'])
    t.equal(line.session, 'one')
    t.ok(line.time >= before && line.time <= after)
  }
})

t.test('sessions share a file, and its old lines stay', async (t) => {
  const file = `${t.testdir()}/session.ndjson`
  writeFileSync(file, '{"session":"old"}\n')
  const recorder = await record(file)
  for (const session of ['a', 'b']) {
    const { client } = clientThatSends(`${plain}\n`)
    await join(client, mirror(), recorder.tap(session))
  }
  await recorder.close()
  t.strictSame(
    linesOf(file).map(({ session }) => session),
    ['old', 'a', 'a', 'b', 'b']
  )
})

t.test('a recording without frames makes an empty file', async (t) => {
  const file = `${t.testdir()}/session.ndjson`
  await (await record(file)).close()
  t.equal(readFileSync(file, 'utf8'), '')
})

t.test('no frame passes after the recording has ended', async (t) => {
  const file = `${t.testdir()}/session.ndjson`
  const recorder = await record(file)
  const { fromClient } = recorder.tap('one')
  await recorder.close()
  const failed = new Promise((resolve) => fromClient.once('error', resolve))
  fromClient.write(parseFrame(Buffer.from(plain)))
  t.match(await failed, { code: 'ERR_CONFIG' })
  t.equal(readFileSync(file, 'utf8'), '')
})

t.test('a file that cannot be opened fails at once', async (t) => {
  const file = `${t.testdir()}/nowhere/session.ndjson`
  await t.rejects(record(file), {
    code: 'ERR_CONFIG',
    message: `cannot write the recording to ${file}`,
    cause: { code: 'ENOENT' }
  })
})

t.test(
  'a frame that cannot be recorded does not pass',
  { skip: process.platform !== 'linux' && 'no /dev/full' },
  async (t) => {
    const recorder = await record('/dev/full')
    const fault = {
      code: 'ERR_CONFIG',
      message: /recording to \/dev\/full/,
      cause: { code: 'ENOSPC' }
    }
    const { client, heard } = clientThatSends(`${plain}\n`)
    await t.rejects(join(client, mirror(), recorder.tap('one')), fault)
    t.equal(heard.text, '')
    const { fromServer } = recorder.tap('two')
    const failed = new Promise((resolve) => fromServer.once('error', resolve))
    fromServer.write(parseFrame(Buffer.from(plain)))
    t.match(await failed, fault, 'nor do later frames')
    await t.rejects(recorder.close(), fault)
  }
)
