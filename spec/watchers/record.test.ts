// Recordings: what is in them, and what happens when the file cannot be written.

import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { channel } from 'node:diagnostics_channel'
import { Duplex, PassThrough } from 'node:stream'
import t from 'tap'
import { makeFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { join } from '../../lib/proxy/join.ts'
import { acceptStdio } from '../../lib/stdio/accept-stdio.ts'
import type { StdioTransport } from '../../lib/stdio/accept-stdio.ts'
import { record } from '../../lib/watchers/record.ts'
import type { FactClient } from '../../lib/streams/facts.ts'
import type { RecordedFrame } from '../../lib/watchers/record.ts'
import { KeptLog, until } from '../helpers.ts'

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

const clientThatSends = (said: string): { client: StdioTransport; heard: { text: string } } => {
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
  await join(client, mirror())
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
    t.equal(line.session, client.client.session)
    t.ok(line.time >= before && line.time <= after)
  }
})

t.test('sessions share a file, and its old lines stay', async (t) => {
  const file = `${t.testdir()}/session.ndjson`
  writeFileSync(file, '{"session":"old"}\n')
  const recorder = await record(file)
  const sessions: string[] = []
  for (let n = 0; n < 2; n++) {
    const { client } = clientThatSends(`${plain}\n`)
    sessions.push(client.client.session)
    await join(client, mirror())
  }
  await recorder.close()
  const [a, b] = sessions
  t.not(a, b)
  t.strictSame(
    linesOf(file).map(({ session }) => session),
    ['old', a, a, b, b]
  )
})

t.test('a recording without frames makes an empty file', async (t) => {
  const file = `${t.testdir()}/session.ndjson`
  await (await record(file)).close()
  t.equal(readFileSync(file, 'utf8'), '')
})

t.test('frames pass unrecorded after the recording has ended', async (t) => {
  const file = `${t.testdir()}/session.ndjson`
  const recorder = await record(file)
  const { client, heard } = clientThatSends(`${plain}\n`)
  await recorder.close()
  await recorder.close()
  await join(client, mirror())
  t.equal(heard.text, `${plain}\n`)
  await recorder.reopen()
  await join(clientThatSends(`${plain}\n`).client, mirror())
  t.equal(readFileSync(file, 'utf8'), '')
})

t.test('only the owner can read the file', { skip: process.platform === 'win32' }, async (t) => {
  const file = `${t.testdir()}/session.ndjson`
  const modeOf = (): number => statSync(file).mode & 0o777
  const umask = process.umask(0)
  t.teardown(() => process.umask(umask))
  await (await record(file)).close()
  t.equal(modeOf(), 0o600)
  chmodSync(file, 0o644)
  await (await record(file)).close()
  t.equal(modeOf(), 0o600, 'also if the file was there')
})

t.test('a symbolic link is not followed', { skip: process.platform === 'win32' }, async (t) => {
  const directory = t.testdir({ target: 'safe' })
  for (const target of ['target', 'missing']) {
    symlinkSync(target, `${directory}/to-${target}`)
    await t.rejects(record(`${directory}/to-${target}`), { code: 'ERR_CONFIG' })
  }
  t.equal(readFileSync(`${directory}/target`, 'utf8'), 'safe')
  t.notOk(existsSync(`${directory}/missing`))
})

t.test('`reopen` continues in a new file when the old one was renamed', async (t) => {
  const directory = t.testdir()
  const file = `${directory}/session.ndjson`
  const log = new KeptLog()
  const recorder = await record(file, { log })
  const pass = async (): Promise<string> => {
    const { client } = clientThatSends(`${plain}\n`)
    await join(client, mirror())
    return client.client.session
  }
  const a = await pass()
  renameSync(file, `${directory}/old`)
  const b = await pass()
  await recorder.reopen()
  const c = await pass()
  rmSync(file)
  await recorder.close()
  t.strictSame(new Set(linesOf(`${directory}/old`).map(({ session }) => session)), new Set([a, b]))

  const other = await record(file, { log })
  const d = await pass()
  await other.close()
  t.strictSame(new Set(linesOf(file).map(({ session }) => session)), new Set([d]))
  t.not(c, d)
  const last = await record(file, { log })
  rmSync(directory, { recursive: true })
  await last.reopen()
  t.match([...log.lines], [/^error: cannot write the recording to .*ENOENT/])
  await last.close()
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
  'a full disk is reported once, and all frames pass',
  { skip: process.platform !== 'linux' && 'no /dev/full' },
  async (t) => {
    const log = new KeptLog()
    const recorder = await record('/dev/full', { log })
    for (let n = 0; n < 2; n++) {
      const { client, heard } = clientThatSends(`${plain}\n${odd}\n`)
      await join(client, mirror())
      t.equal(heard.text, `${plain}\n${odd}\n`)
    }
    await until(() => log.lines.length > 0)
    await recorder.close()
    t.match(
      [...log.lines],
      [/^error: cannot write the recording to \/dev\/full: ENOSPC.*; the recording stops$/]
    )
    t.equal(log.lines.length, 1)

    const other = await record('/dev/full', { log })
    publish(makeFrame({ jsonrpc: '2.0', method: 'x' }))
    await other.close()
    t.equal(log.lines.length, 2, 'the end of the recording can fail')
  }
)

const client: FactClient = { server: '', session: 'one', kind: 'session' }

const publish = (frame: Frame, from = 'client'): void => {
  channel('mcp-duplex:message').publish({ client, from, frame, delivered: true })
}

t.test(
  'after `reopen` a failure of the old file does not stop the recording',
  { skip: process.platform === 'win32' },
  async (t) => {
    const directory = t.testdir()
    const file = `${directory}/session.ndjson`
    execFileSync('mkfifo', [file])
    const reader = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
    const log = new KeptLog()
    const recorder = await record(file, { log })
    // More than the pipe holds.
    publish(makeFrame({ jsonrpc: '2.0', method: 'a', params: { text: 'x'.repeat(1_000_000) } }))
    renameSync(file, `${directory}/old`)
    await recorder.reopen()
    closeSync(reader)
    await join(clientThatSends(`${plain}\n`).client, mirror())
    await recorder.close()
    t.equal(linesOf(file).length, 2)
    t.strictSame([...log.lines], [])
  }
)

t.test('a disk that is too slow stops the recording', async (t) => {
  const output = new PassThrough({ highWaterMark: 1 })
  t.intercept(process, 'stdout', { value: output as never })
  const log = new KeptLog()
  const recorder = await record('-', { log })
  const text = 'x'.repeat(40 * 1024 * 1024)
  const frame = makeFrame({ jsonrpc: '2.0', method: 'a', params: { text } })
  publish(frame)
  publish(frame)
  t.strictSame([...log.lines], [], 'a large message may wait as a whole')
  publish(frame)
  publish(frame)
  t.match(
    [...log.lines],
    [/^error: cannot write the recording to -: \d+ bytes wait for the disk; the recording stops$/]
  )
  t.equal(log.lines.length, 1)
  await recorder.close()
  output.resume()
})

t.test('a frame that cannot be recorded passes all the same', async (t) => {
  const log = new KeptLog()
  const file = `${t.testdir()}/recording`
  const recorder = await record(file, { log })
  const frame = makeFrame({ jsonrpc: '2.0', method: 'x' })
  t.intercept(frame, 'toString', {
    value() {
      throw new RangeError('too long')
    }
  })
  publish(frame, 'server')
  t.strictSame(
    [...log.lines],
    ['error: a message is not recorded: internal error (see the log of the proxy): too long']
  )
  await recorder.close()
  t.equal(readFileSync(file, 'utf8'), '')
})
