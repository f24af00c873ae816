// The transport to a server that is a child process, with real servers, good and bad.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import type { Frame } from '../../lib/message/frame.ts'
import { parseFrame } from '../../lib/message/parse-frame.ts'
import type { Message } from '../../lib/protocol/json-rpc.ts'
import { connectChild } from '../../lib/stdio/connect-child.ts'
import type { ChildOptions, ChildTransport } from '../../lib/stdio/connect-child.ts'
import type { ProcessFact } from '../../lib/streams/facts.ts'
import type { ServerGoneError } from '../../lib/streams/server-gone-error.ts'
import {
  ended,
  fixture,
  isRunning,
  KeptLog,
  misbehaving,
  notification,
  request,
  response,
  script,
  watch,
  until
} from '../helpers.ts'
import type { Watched } from '../helpers.ts'

t.setTimeout(120_000)

/** A transport that is destroyed at the end of its test. */
function connect(t: Test, options: ChildOptions): ChildTransport {
  const transport = connectChild(options)
  t.teardown(async () => {
    if (!transport.closed) await new Promise((resolve) => transport.on('close', resolve).destroy())
  })
  return transport
}

/** A transport that is read and whose server has answered. */
async function open(
  t: Test,
  options: ChildOptions
): Promise<Watched & { transport: ChildTransport; pid: number }> {
  const transport = connect(t, options)
  const watched = watch(transport)
  await watched.ask('ping')
  return { transport, pid: transport.pid as number, ...watched }
}

/** Writes until the server takes no more. Resolves to the number of frames that it took. */
async function fill(transport: ChildTransport, size: number): Promise<number> {
  let taken = 0
  const frame = notification('filler', { text: 'x'.repeat(size) })
  const written = (error: unknown): void => {
    if (!error) taken++
  }
  while (transport.write(frame, written)) await turn()
  for (let before = -1; taken !== before;) {
    before = taken
    for (let i = 0; i < 50; i++) await turn()
  }
  return taken
}

t.test('frames pass both ways, byte for byte', async (t) => {
  const { transport, answer } = await open(t, misbehaving())
  const params = { big: 1e21, text: '\u2028é😀\n"' }
  transport.write(request('a', 'test/echo', params))
  t.strictSame((await answer('a')).result, { params })
  transport.write(request(7, 'test/split', params))
  t.match(await answer(7), { result: { params, text: 'é–😀' } })
})

t.test('frames of one write are read in order', async (t) => {
  const { frames, ask } = await open(t, misbehaving())
  await ask('test/burst', { count: 100, _meta: { progressToken: 'p' } })
  const kinds = frames.slice(1).map(({ kind, progressToken }) => progressToken ?? kind)
  t.strictSame(kinds, [...Array.from({ length: 100 }, () => 'p'), 'response'])
})

t.test('a server gets its environment and working directory', async (t) => {
  const report = script(`
    const result = { A: process.env.A, cwd: process.cwd(), names: Object.keys(process.env) }
    console.log(JSON.stringify({ jsonrpc: '2.0', id: 1, result }))
  `)
  const cwd = t.testdir()
  const ask = (options: ChildOptions): Promise<Message> => {
    const transport = connect(t, options)
    transport.write(request(1, 'report'))
    return watch(transport).answer(1)
  }
  t.match((await ask({ ...report, cwd, env: { A: '1' } })).result, { A: '1', cwd })
  process.env.SECRET_OF_OURS = 'x'
  t.teardown(() => delete process.env.SECRET_OF_OURS)
  const { names } = (await ask(report)).result as { names: string[] }
  t.ok(names.includes('PATH'))
  t.notOk(names.includes('SECRET_OF_OURS'))
})

t.test('a command that is not found fails before a process is started', async (t) => {
  const { closed } = watch(connect(t, { command: 'no-such-command', env: { PATH: '/none' } }))
  t.match(await closed, {
    code: 'ERR_COMMAND_NOT_FOUND',
    message: 'cannot start "no-such-command": not found; PATH is /none'
  })
})

t.test('a program that cannot start fails the transport', async (t) => {
  const directory = t.testdir({ program: '#!/no/such/interpreter\n' })
  const program = join(directory, 'program')
  chmodSync(program, 0o755)
  const late = watch(connect(t, { command: program }))
  t.match(await late.closed, { code: 'ERR_SERVER_START', cause: { code: 'ENOENT' } })
  const early = watch(connect(t, { command: process.execPath, args: ['a\0b'] }))
  t.match(await early.closed, {
    code: 'ERR_SERVER_START',
    message: `cannot start "${process.execPath}"`,
    cause: { code: 'ERR_INVALID_ARG_VALUE' }
  })
})

t.test(
  'a server that exits early fails the transport, with its last lines of stderr',
  async (t) => {
    const crashing = watch(connect(t, misbehaving('--crash-on-start', '3')))
    t.match(await crashing.closed, {
      code: 'ERR_SERVER_EXITED',
      message: `the server (${process.execPath}) exited with code 3; it said: crashing on start, as requested`
    })

    const { transport, closed } = await open(t, misbehaving())
    transport.write(request(2, 'test/crash', { code: 4, stderr: 'one\n\ntwo' }))
    t.match(await closed, { message: /exited with code 4; it said: one \| two$/ })
  }
)

t.test('a server that is killed, or exits without stderr, fails the transport', async (t) => {
  const killed = await open(t, misbehaving())
  killed.transport.write(request(2, 'test/kill-self'))
  t.match(await killed.closed, { message: /was ended by SIGKILL$/ })

  const left = await open(t, misbehaving())
  left.transport.write(request(2, 'test/exit-clean'))
  t.match(await left.closed, { code: 'ERR_SERVER_EXITED', message: /exited with code 0$/ })
})

t.test('responses printed before a crash are delivered before the error', async (t) => {
  const { transport, frames, closed, ask } = await open(t, misbehaving())
  transport.write(request(2, 'test/exit-clean', { answer: true }))
  t.match(await closed, { code: 'ERR_SERVER_EXITED' })
  t.equal(frames.at(-1)?.id, 2)
  await t.rejects(ask('ping'), { code: 'ERR_SERVER_EXITED' })
})

t.test('all output before a crash waits for a slow reader', async (t) => {
  const count = 500
  const transport = connect(
    t,
    script(`
      const pad = 'x'.repeat(100)
      const line = (id) => JSON.stringify({ jsonrpc: '2.0', method: 'line', params: { id, pad } })
      let text = ''
      for (let id = 1; id <= ${count}; id++) text += line(id) + '\\n'
      require('fs').writeSync(1, text + line('the last, without a newline'))
      process.stderr.write('gone\\n')
      process.exit(1)
    `)
  )
  const failed = once(transport, 'error')
  const ids: unknown[] = []
  for await (const frame of transport as AsyncIterable<Frame>) {
    if (ids.push(frame.message().params?.id) === 1) await ended(transport.pid as number)
    await turn()
  }
  t.match(await failed, [{ code: 'ERR_SERVER_EXITED', message: /code 1; it said: gone$/ }])
  t.strictSame(
    ids.slice(0, -1),
    Array.from({ length: count }, (_, index) => index + 1)
  )
  t.equal(ids.at(-1), 'the last, without a newline')
})

t.test('a frame written after a crash is listed as undelivered', async (t) => {
  const crashing = script(`
    console.log(JSON.stringify({ jsonrpc: '2.0', method: 'last' }))
    process.stderr.write('gone')
    process.exitCode = 1
  `)
  const log = new KeptLog()
  const transport = connect(t, { ...crashing, log })
  await log.lines.until((line) => line === 'info: gone') // logged when the process has exited
  const frame = request(1, 'm')
  transport.write(frame)
  const { frames, closed } = watch(transport)
  t.strictSame(((await closed) as ServerGoneError).undelivered, [frame])
  t.match(frames, [{ method: 'last' }])
})

t.test('frames queued when the server dies are listed as undelivered, each once', async (t) => {
  const { transport, pid, closed } = await open(t, misbehaving('--deaf'))
  const write = (frame: Frame): Promise<unknown> =>
    new Promise((resolve) => transport.write(frame, (error) => resolve(error?.message ?? 'taken')))
  await write(request(1, 'initialize'))
  await turn()
  // The first is in the pipe, the second in the line writer, the others in the transport.
  const frames = ['in the pipe', 'gathered', 'waiting', 'behind'].map((method) =>
    notification(method, { text: 'x'.repeat(1024 * 1024) })
  )
  const written = frames.map(write)
  for (let i = 0; i < 20; i++) await turn()
  process.kill(pid, 'SIGKILL')
  t.strictSame(
    await Promise.all(written),
    frames.map(() => 'taken'),
    'their writes are completed'
  )
  const { undelivered } = (await closed) as ServerGoneError
  t.strictSame(
    undelivered.map(({ method }) => method),
    frames.map(({ method }) => method)
  )
})

t.test('the last lines of a long stderr are in the error', async (t) => {
  const said = Array.from({ length: 10 }, (_, index) => `line ${index + 990}`).join(' | ')
  const transport = connect(
    t,
    script(`
      let text = ''
      for (let i = 0; i < 1000; i++) text += 'line ' + i + '\\n'
      require('fs').writeSync(2, text)
      process.exit(1)
    `)
  )
  const { closed } = watch(transport)
  t.match(await closed, { message: new RegExp(`it said: ${said.replaceAll('|', '\\|')}$`) })
})

t.test('the descendants of a crashed server are ended soon, before the error', async (t) => {
  const { transport, closed, ask } = await open(t, { ...misbehaving(), closeTimeout: 600_000 })
  const forked = await ask('test/fork', { stubborn: true, inherit: true })
  const { pid } = forked.result as { pid: number }
  transport.write(request(2, 'test/crash'))
  t.match(await closed, { code: 'ERR_SERVER_EXITED' })
  await ended(pid)
})

t.test('stderr goes to the log at once, and does not block the server', async (t) => {
  const log = new KeptLog()
  const { pid } = await open(t, { ...misbehaving('--chatty-stderr', '1000000'), log })
  t.ok(log.lines.includes(`debug: started ${process.execPath} as process ${pid}`))
  t.match(log.lines.at(-2), /^info: chatter/)
})

t.test('invalid lines on stdout are logged, and nothing else is affected', async (t) => {
  const log = new KeptLog()
  const { frames, ask } = await open(t, { ...misbehaving(), log })
  t.strictSame((await ask('test/noise')).result, {})
  t.equal(frames.length, 2, 'no invalid line is a frame')
  const warned = log.lines.filter((line) => line.startsWith('warn: '))
  t.equal(warned.length, 5)
  for (const line of warned) t.match(line, `${process.execPath} printed an invalid message: `)
})

t.test('a server that prints invalid messages and does not read has to wait', async (t) => {
  // Each line is a request that is not valid, so it gets an error response.
  const flood = `const line = '{"jsonrpc":"2.0","id":1,"method":1}\\n'.repeat(1000)
    let lines = 0
    const write = () => process.stdout.write(line, () => {
      process.stderr.write((lines += 1000) + '\\n')
      setImmediate(write)
    })
    write()`
  const log = new KeptLog()
  const transport = connect(t, { ...script(flood), log })
  transport.resume()
  const count = (): number =>
    Number(
      log.lines
        .filter((line) => /info: \d+$/.test(line))
        .at(-1)
        ?.slice(6) ?? 0
    )
  await until(() => count() > 0) // on a busy machine, the process starts late
  let last = -1
  while (count() !== last) {
    last = count()
    await sleep(300)
  }
  t.ok(last < 100_000, `the server waits after ${last} lines`)
  transport.destroy()
})

t.test('a response that is not a frame fails its call at once', async (t) => {
  const outputs: [string, string][] = [
    ['{"jsonrpc":"2.0","id":1,"result":{"a":NaN}}', 'not JSON'],
    ['{"jsonrpc":"2.0","id":1,"result":{"a":"\\xe9"}}', 'not UTF-8'],
    ['{\\n  "jsonrpc": "2.0",\\n  "id": 1,\\n  "result": {}\\n}', 'several lines']
  ]
  for (const [output, reason] of outputs) {
    const source = `process.stdin.once('data', () => process.stdout.write('${output}\\n', 'latin1'))`
    const transport = connect(t, script(source))
    const { frames } = watch(transport)
    transport.write(request(1, 'm'))
    await frames.until(() => frames.length > 0)
    t.match(frames[0]?.message(), { id: 1, error: { code: -32700, message: reason } })
  }
})

t.test('a server may write the number of an id with another text', async (t) => {
  const source = `process.stdin.on('data', (line) => {
    const { id } = JSON.parse(line)
    console.log(JSON.stringify({ jsonrpc: '2.0', id, result: {} }))
  })`
  const transport = connect(t, script(source))
  const { frames } = watch(transport)
  transport.write(parseFrame(Buffer.from('{"jsonrpc":"2.0","id":1.0,"method":"m"}')))
  await frames.until(() => frames.length > 0)
  t.equal(String(frames[0]), '{"jsonrpc":"2.0","id":1.0,"result":{}}')
})

t.test('a batch is an invalid message', async (t) => {
  const { transport, frames, ask } = await open(t, misbehaving())
  transport.write(request(2, 'test/batch'))
  await ask('ping')
  t.strictSame(
    frames.map(({ id }) => id),
    ['watched-1', 2, 'watched-2'],
    'the calls that it answers fail'
  )
})

t.test(
  'a result over the limit becomes an error response, and nothing else is affected',
  async (t) => {
    const { ask } = await open(t, { ...misbehaving(), maxMessage: 1000 })
    t.match(await ask('test/big', { bytes: 2000 }), {
      result: undefined,
      error: { code: -32600, message: /is over the limit of 1000 \(see --max-message\)$/ }
    })
    t.match(await ask('test/big', { bytes: 2000, where: 'notification' }), { result: {} })
    t.match(await ask('test/big', { bytes: 100 }), { result: { text: 'x'.repeat(100) } })
  }
)

t.test('a request of the server over the limit gets an error response', async (t) => {
  const { frames, ask } = await open(t, { ...misbehaving(), maxMessage: 1000 })
  const params = { text: 'x'.repeat(2000) }
  const { result } = await ask('test/ask', { method: 'roots/list', params })
  t.match(result, { answer: { error: { code: -32600, message: /over the limit/ } } })
  t.strictSame(
    frames.slice(1).map(({ kind }) => kind),
    ['response']
  )
})

t.test('an invalid request of the server gets an error response', async (t) => {
  const { transport, frames } = await open(
    t,
    script(`
      const lines = require('readline').createInterface(process.stdin)
      lines.on('line', (line) => {
        const { id, error } = JSON.parse(line)
        const told = { jsonrpc: '2.0', method: 'told', params: { id, error } }
        if (error) console.log(JSON.stringify(told))
        else console.log(JSON.stringify({ jsonrpc: '2.0', id, result: {} }))
        if (id === 'go') console.log(JSON.stringify({ id: 9, method: 'roots/list' }))
      })
    `)
  )
  transport.write(request('go', 'ping'))
  const told = await frames.until(({ method }) => method === 'told')
  t.match(told?.message().params, { id: 9, error: { code: -32600 } })
})

t.test('a response that nobody waits for is dropped', async (t) => {
  const log = new KeptLog()
  const { transport, frames, ask } = await open(t, {
    ...script(`
      const lines = require('readline').createInterface(process.stdin)
      const respond = (id) => console.log(JSON.stringify({ jsonrpc: '2.0', id, result: {} }))
      lines.on('line', (line) => {
        const { id, method, params } = JSON.parse(line)
        if (method === 'notifications/cancelled') respond(params.requestId)
        else if (method !== 'cancel-me') [id, id, 'unknown'].forEach(respond)
      })
    `),
    log
  })
  transport.write(request('c', 'cancel-me'))
  transport.write(notification('notifications/cancelled', { requestId: 'c' }))
  await ask('ping')
  await ask('ping')
  t.strictSame(
    frames.map(({ id }) => id),
    ['watched-1', 'watched-2', 'watched-3']
  )
  t.match(log.lines, [/^debug: started/, ...Array<RegExp>(4).fill(/^debug: dropped a response to/)])
})

t.test('what a descendant writes without end after a crash does not fill the memory', async (t) => {
  const flood = `
    const line = JSON.stringify({ jsonrpc: '2.0', method: 'a', params: { text: 'x'.repeat(1000) } })
    process.on('SIGTERM', () => {})
    for (;;) require('node:fs').writeSync(1, line + '\\n')
  `
  const transport = connect(
    t,
    script(`
      const stdio = ['ignore', 'inherit', 'ignore']
      require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(flood)}], { stdio })
      setTimeout(() => process.exit(1), 500)
    `)
  )
  const exited = new Promise<void>((resolve) => {
    const look = setInterval(() => {
      if (isRunning(transport.pid ?? process.pid)) return
      clearInterval(look)
      resolve()
    }, 20)
  })
  transport.read(0) // starts the server; no frame is taken
  await exited
  await sleep(800) // the descendants of a crashed server have half a second
  const { readableLength } = transport
  t.ok(readableLength > 0 && readableLength < 5000, `${readableLength} frames of 1 KB wait`)
})

t.test('a destroyed transport cannot be blocked by a server that writes without end', async (t) => {
  const transport = connect(t, {
    ...script(`
      process.on('SIGTERM', () => process.exit(0))
      const write = () => process.stdout.write('x'.repeat(100_000) + '\\n', () => setImmediate(write))
      write()
    `),
    closeTimeout: 2000
  })
  transport.read(0)
  await sleep(300)
  const began = performance.now()
  await new Promise((resolve) => transport.once('close', resolve).destroy())
  t.ok(performance.now() - began < 2000)
  t.notOk(isRunning(transport.pid as number))
})

t.test('big messages pass both ways', async (t) => {
  const { transport, answer } = await open(t, misbehaving())
  const text = 'x'.repeat(20 * 1024 * 1024)
  transport.write(request(2, 'test/mirror', { text }))
  t.ok((await answer(2)).result, { text })
})

t.test('a writer waits while the server does not read', async (t) => {
  const slow = script(`
    process.stdin.pause()
    process.on('SIGUSR2', () => process.stdin.on('data', () => {}).resume())
    console.log(JSON.stringify({ jsonrpc: '2.0', method: 'ready' }))
    setInterval(() => {}, 3600e3)
  `)
  const transport = connect(t, { ...slow, closeTimeout: 100 })
  await watch(transport).frames.until(() => true)
  const taken = await fill(transport, 64 * 1024)
  t.ok(taken < 16, `${taken} of 64 KiB each were taken`)
  t.ok(transport.writableNeedDrain)
  process.kill(transport.pid as number, 'SIGUSR2')
  await new Promise((resolve) => transport.once('drain', resolve))
  t.equal(transport.writableLength, 0)
})

t.test('a server waits while its output is not read', async (t) => {
  const talkative = script(`
    const line = JSON.stringify({ jsonrpc: '2.0', method: 'm', params: { pad: 'x'.repeat(64 * 1024) } }) + '\\n'
    let count = 0
    const talk = () => { count++; process.stdout.write(line, talk) }
    process.stdin.on('data', () => process.stderr.write(count + '\\n'))
    process.stdin.on('end', () => process.exit())
    talk()
  `)
  const log = new KeptLog()
  const transport = connect(t, { ...talkative, log })
  const countOf = async (): Promise<number> => {
    const asked = log.lines.length
    transport.write(notification('how many?'))
    const line = await log.lines.until((line) => log.lines.indexOf(line, asked) >= asked)
    return Number(line?.replace('info: ', ''))
  }
  await new Promise((resolve) => transport.once('readable', resolve))
  let before = -1
  let count = await countOf()
  while (count !== before) [before, count] = [count, await countOf()]
  t.ok(count < 200, `it stopped after ${count}`)
  for (let read = 0; read <= count;) {
    if (transport.read() === null)
      await new Promise((resolve) => transport.once('readable', resolve))
    else read++
  }
  t.pass('it continued')
})

t.test('`end` waits for the responses, then ends the input of the server', async (t) => {
  const { transport, pid, frames, closed } = await open(
    t,
    misbehaving('--exit-on-eof-without-answering')
  )
  transport.write(request(2, 'test/sleep', { ms: 200 }))
  transport.write(request(3, 'test/sleep', { ms: 100 }))
  transport.end(request(4, 'ping'))
  t.equal(await closed, undefined)
  t.strictSame(new Set(frames.map(({ id }) => id)), new Set(['watched-1', 2, 3, 4]))
  t.notOk(isRunning(pid))
})

t.test('`end` does not wait for a cancelled request', async (t) => {
  const { transport, closed } = await open(t, misbehaving())
  transport.write(request(2, 'test/silence'))
  transport.end(notification('notifications/cancelled', { requestId: 2 }))
  t.equal(await closed, undefined)
})

t.test('output after the end is read', async (t) => {
  const farewell = script(`
    process.stdin.resume().on('end', () => {
      console.log(JSON.stringify({ jsonrpc: '2.0', method: 'farewell' }))
    })
  `)
  const transport = connect(t, farewell)
  const { frames, closed } = watch(transport)
  transport.end()
  t.equal(await closed, undefined)
  t.equal(frames[0]?.method, 'farewell')
})

t.test('a server that crashes while `end` waits fails the transport', async (t) => {
  const { transport, closed } = await open(t, { ...misbehaving(), closeTimeout: 600_000 })
  transport.end(request(2, 'test/crash', { code: 5 }))
  t.match(await closed, { code: 'ERR_SERVER_EXITED', message: /code 5/ })
})

t.test('a server that ignores the end of its input gets SIGTERM, then SIGKILL', async (t) => {
  for (const flags of [['--ignore-eof'], ['--ignore-eof', '--ignore-sigterm']]) {
    const { transport, pid, closed } = await open(t, {
      ...misbehaving(...flags),
      closeTimeout: 100
    })
    transport.end()
    t.equal(await closed, undefined)
    t.notOk(isRunning(pid))
  }
})

t.test('no descendant of the server is left', async (t) => {
  const shell = {
    command: 'sh',
    args: ['-c', '"$@"; exit $?', 'sh', process.execPath, fixture('servers/misbehaving.js')]
  }
  for (const ending of ['end', 'destroy'] as const) {
    const { transport, ask, closed } = await open(t, { ...shell, closeTimeout: 200 })
    const { result } = await ask('test/fork', { stubborn: true })
    const { pid, ppid } = (await ask('test/pids')).result as { pid: number; ppid: number }
    t.equal(ppid, transport.pid)
    transport[ending]()
    t.equal(await closed, undefined)
    for (const one of [pid, ppid, (result as { pid: number }).pid]) await ended(one)
  }
})

t.test('a server that closes its stdout is ended', async (t) => {
  const mute = script(`
    process.stdin.resume().on('end', () => process.exit(6))
    require('fs').closeSync(1)
  `)
  const { closed } = watch(connect(t, { ...mute, closeTimeout: 600_000 }))
  t.match(await closed, { code: 'ERR_SERVER_EXITED', message: /code 6/ })
})

t.test(
  'a server that closes its stdin is ended, and the error lists the undelivered frames',
  async (t) => {
    const deaf = script(`
    require('fs').closeSync(0)
    console.log(JSON.stringify({ jsonrpc: '2.0', method: 'ready' }))
    setInterval(() => {}, 3600e3)
  `)
    const transport = connect(t, { ...deaf, closeTimeout: 100 })
    const { frames, closed } = watch(transport)
    await frames.until(() => true)
    const frame = response(1)
    transport.write(frame)
    const error = await closed
    t.match(error, { code: 'ERR_SERVER_EXITED', message: /SIGTERM/ })
    t.strictSame((error as ServerGoneError).undelivered, [frame])
  }
)

t.test('destroyed at once, it starts no process', async (t) => {
  const log = new KeptLog()
  const transport = connect(t, { ...misbehaving(), log })
  const { closed } = watch(transport)
  transport.destroy()
  transport.destroy()
  t.equal(await closed, undefined)
  t.equal(transport.pid, undefined)
  t.equal(log.lines.length, 0)
})

t.test('destroyed while the server starts, it ends the server', async (t) => {
  const log = new KeptLog()
  const transport = connect(t, { ...misbehaving(), log })
  const { closed } = watch(transport)
  process.nextTick(() => transport.destroy())
  t.equal(await closed, undefined)
  t.ok(transport.pid)
  t.notOk(isRunning(transport.pid as number))
})

t.test(
  'destroyed with an error, it closes with that error when the server has exited',
  async (t) => {
    const { transport, pid, closed } = await open(t, {
      ...misbehaving('--ignore-eof'),
      closeTimeout: 100
    })
    const error = new Error('enough')
    transport.destroy(error)
    transport.destroy(new Error('too late'))
    t.equal(await closed, error)
    t.notOk(isRunning(pid))
  }
)

t.test('destroyed during a write, it fails the writes that are not done', async (t) => {
  for (const error of [undefined, new Error('enough')]) {
    const { transport, closed } = await open(t, { ...misbehaving('--deaf'), closeTimeout: 100 })
    const write = (frame: Frame): Promise<unknown> =>
      new Promise((resolve) => transport.write(frame, resolve))
    await write(request(1, 'initialize'))
    const large = { text: 'x'.repeat(4 * 1024 * 1024) }
    t.notOk(await write(notification('in the pipe', large)), 'there is room for one more frame')
    const written = [write(notification('gathered', large)), write(notification('waiting'))]
    for (let i = 0; i < 50; i++) await turn()
    transport.destroy(error)
    const expected = error ?? { code: 'ERR_CLOSED' }
    t.match(await Promise.all(written), [expected, expected])
    t.equal(await closed, error)
  }
})

t.test('destroyed while the server writes, it does not block the server', async (t) => {
  const talkative = script(`
    process.stdin.resume().on('end', () => {
      const line = JSON.stringify({ jsonrpc: '2.0', method: 'x'.repeat(1000) }) + '\\n'
      for (let i = 0; i < 1000; i++) require('fs').writeSync(1, line)
    })
    console.log(JSON.stringify({ jsonrpc: '2.0', method: 'ready' }))
  `)
  const transport = connect(t, { ...talkative, closeTimeout: 600_000 })
  const { frames, closed } = watch(transport)
  await frames.until(() => true)
  transport.pause().destroy()
  t.equal(await closed, undefined, 'the server exited by itself')
  t.equal(frames.length, 1)
})

t.test('a signal destroys it', async (t) => {
  const controller = new AbortController()
  const { pid, closed } = await open(t, { ...misbehaving(), signal: controller.signal })
  controller.abort()
  t.match(await closed, { name: 'AbortError' })
  t.notOk(isRunning(pid))
})

t.test('with an aborted signal it starts no process', async (t) => {
  const transport = connect(t, { ...misbehaving(), signal: AbortSignal.abort() })
  const { closed } = watch(transport)
  t.match(await closed, { name: 'AbortError' })
  t.equal(transport.pid, undefined)
})

t.test('it says when the server reads', async (t) => {
  const transport = connect(t, misbehaving())
  await transport.whenReading()
  const { ask } = watch(transport)
  await ask('ping')
  await transport.whenReading()
  t.notOk(transport.destroyed)
})

t.test('a call fails at once if its response has no result', async (t) => {
  const server = script(`
    process.stdin.once('data', () => console.log('{"jsonrpc":"2.0","id":1}'))`)
  const transport = connect(t, server)
  const { frames } = watch(transport)
  transport.write(request(1, 'ping'))
  const refused = await frames.until(({ id }) => id === 1)
  t.equal(refused?.errorCode, -32600)
})

t.test('facts say when the process starts and exits, and what it says on stderr', async (t) => {
  const facts: ProcessFact[] = []
  const listener = (fact: unknown): void => void facts.push(fact as ProcessFact)
  subscribe('mcp-duplex:process', listener)
  t.teardown(() => unsubscribe('mcp-duplex:process', listener))
  const source = "console.error('one\\ntwo'); process.stderr.write('rest'); process.exitCode = 3"
  const { command, args } = script(source)
  const transport = connect(t, { command, args, server: 'files' })
  const { closed } = watch(transport)
  t.match(await closed, { code: 'ERR_SERVER_EXITED' })
  const about = { server: 'files', pid: transport.pid, command }
  t.strictSame(facts, [
    { type: 'start', ...about },
    { type: 'stderr', ...about, line: 'one' },
    { type: 'stderr', ...about, line: 'two' },
    { type: 'stderr', ...about, line: 'rest' },
    { type: 'exit', ...about, exitCode: 3, signal: null }
  ])

  facts.length = 0
  const other = await open(t, misbehaving('--ignore-eof'))
  process.kill(other.pid, 'SIGKILL')
  await other.closed
  t.match(facts, [
    { type: 'start', server: '' },
    { type: 'exit', server: '', pid: other.pid, exitCode: null, signal: 'SIGKILL' }
  ])
  facts.length = 0
  const missing = connect(t, { command: '/nowhere' })
  t.match(await watch(missing).closed, { code: 'ERR_COMMAND_NOT_FOUND' })
  t.strictSame(facts, [], 'a process that cannot start has no facts')
})
