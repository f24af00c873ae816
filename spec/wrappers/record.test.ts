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
import { Duplex, PassThrough } from 'node:stream'
import t from 'tap'
import { makeFrame } from '../../lib/message/frame.ts'
import type { Frame } from '../../lib/message/frame.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import { join } from '../../lib/proxy/join.ts'
import { acceptStdio } from '../../lib/stdio/accept-stdio.ts'
import { record } from '../../lib/wrappers/record.ts'
import type { RecordedFrame } from '../../lib/wrappers/record.ts'
import { KeptLog } from '../helpers.ts'

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

t.test('frames pass unrecorded after the recording has ended', async (t) => {
  const file = `${t.testdir()}/session.ndjson`
  const recorder = await record(file)
  const { client, heard } = clientThatSends(`${plain}\n`)
  await recorder.close()
  await recorder.close()
  await join(client, mirror(), recorder.tap('one'))
  t.equal(heard.text, `${plain}\n`)
  await recorder.reopen()
  await join(clientThatSends(`${plain}\n`).client, mirror(), recorder.tap('two'))
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
  const pass = (session: string): Promise<void> =>
    join(clientThatSends(`${plain}\n`).client, mirror(), recorder.tap(session))
  await pass('a')
  renameSync(file, `${directory}/old`)
  await pass('b')
  await recorder.reopen()
  await pass('c')
  const sessionsIn = (name: string): Set<string> =>
    new Set(linesOf(`${directory}/${name}`).map(({ session }) => session))
  t.strictSame(sessionsIn('old'), new Set(['a', 'b']))
  t.strictSame(sessionsIn('session.ndjson'), new Set(['c']))
  rmSync(directory, { recursive: true })
  await recorder.reopen()
  await pass('d')
  t.match([...log.lines], [/^error: cannot write the recording to .*ENOENT/])
  await recorder.close()
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
    for (const session of ['one', 'two']) {
      const { client, heard } = clientThatSends(`${plain}\n${odd}\n`)
      await join(client, mirror(), recorder.tap(session))
      t.equal(heard.text, `${plain}\n${odd}\n`)
    }
    await recorder.close()
    t.match(
      [...log.lines],
      [/^error: cannot write the recording to \/dev\/full: ENOSPC.*; the recording stops$/]
    )
    t.equal(log.lines.length, 1)

    const other = await record('/dev/full', { log })
    other.tap('three').fromClient.write(parseFrame(Buffer.from(plain)))
    await other.close()
    t.equal(log.lines.length, 2, 'the end of the recording can fail')
  }
)

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
    const { fromClient } = recorder.tap('one')
    const big = { jsonrpc: '2.0' as const, method: 'a', params: { text: 'x'.repeat(1_000_000) } }
    fromClient.write(makeFrame(big)) // more than the pipe holds
    renameSync(file, `${directory}/old`)
    await recorder.reopen()
    closeSync(reader)
    await new Promise((resolve) => fromClient.once('data', resolve))
    await join(clientThatSends(`${plain}\n`).client, mirror(), recorder.tap('two'))
    await recorder.close()
    t.equal(linesOf(file).length, 2)
    t.strictSame([...log.lines], [])
  }
)

t.test('a frame that cannot be recorded passes all the same', async (t) => {
  const log = new KeptLog()
  const file = `${t.testdir()}/recording`
  const recorder = await record(file, { log })
  const { fromServer } = recorder.tap('one')
  const frame = makeFrame({ jsonrpc: '2.0', method: 'x' })
  t.intercept(frame, 'toString', {
    value() {
      throw new RangeError('too long')
    }
  })
  fromServer.write(frame)
  t.equal(await new Promise((resolve) => fromServer.once('data', resolve)), frame)
  t.strictSame(
    [...log.lines],
    ['error: a frame is not recorded: internal error (see the log of the proxy): too long']
  )
  await recorder.close()
})
