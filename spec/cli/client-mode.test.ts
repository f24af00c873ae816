// Client mode: what begins it, and what ends it.

import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { startHttpServer } from '../../fixtures/servers/http.js'
import type { HttpServer, Json } from '../../fixtures/servers/http.js'
import { initializeParams } from '../wrappers/peer.ts'
import { run, stop } from './process.ts'
import type { Run } from './process.ts'

async function startServer(t: Test): Promise<HttpServer> {
  const server = await startHttpServer()
  t.teardown(() => server.close())
  return server
}

async function initialize({ say, messages }: Run): Promise<void> {
  say({ id: 'init', method: 'initialize', params: initializeParams })
  await messages.until(({ id }) => id === 'init')
  say({ method: 'notifications/initialized' })
}

const requestsFor = ({ requests }: HttpServer, method: string): number =>
  requests.filter(({ message }) => message?.method === method).length

/** Has calls of `test/hang` answered when the function that it gives is called. */
function holdCalls({ script }: HttpServer): { held: Promise<void>; release: () => void } {
  let release = (): void => {}
  const held = new Promise<void>((resolve) => {
    script.onPost = (message: Json, { byDefault }) => {
      if (message.method !== 'test/hang') return byDefault()
      release = byDefault
      resolve()
    }
  })
  return { held, release: () => release() }
}

t.test('the end of the input is the end, when all is answered', async (t) => {
  const server = await startServer(t)
  const { held, release } = holdCalls(server)
  const command = run(t, server.url)
  await initialize(command)
  command.say({ id: 1, method: 'test/hang' })
  command.stdin.end()
  await held
  release()
  t.equal(await command.code, 0)
  t.match(
    command.messages.map(({ id }) => id as string),
    ['init', 1]
  )
  t.strictSame([...command.log], [])
  t.equal(server.sessions.size, 0)
})

t.test('told to stop, it goes on as if the input had ended', async (t) => {
  const server = await startServer(t)
  const { held, release } = holdCalls(server)
  const command = run(t, server.url)
  await initialize(command)
  command.say({ id: 1, method: 'test/hang' })
  await held
  stop()
  command.say({ id: 2, method: 'test/late' })
  release()
  t.equal(await command.code, 0)
  t.match(command.messages.at(-1), { id: 1, result: {} })
  t.equal(requestsFor(server, 'test/late'), 0)
  t.ok(command.stdin.destroyed, 'an input that stays open does not keep the process')
})

t.test('told twice, it stops at once', async (t) => {
  const server = await startServer(t)
  const { held } = holdCalls(server)
  const command = run(t, server.url)
  await initialize(command)
  command.say({ id: 1, method: 'test/hang' })
  await held
  stop()
  stop()
  t.equal(await command.code, 0)
  t.strictSame([...command.log], [])
})

t.test('what takes too long is not waited for', async (t) => {
  const server = await startServer(t)
  const { held } = holdCalls(server)
  const command = run(t, `--drain-timeout 50ms ${server.url}`)
  await initialize(command)
  command.say({ id: 1, method: 'test/hang' })
  await held
  stop()
  t.equal(await command.code, 0)
})

t.test('without a limit it is', async (t) => {
  const server = await startServer(t)
  const { held, release } = holdCalls(server)
  const command = run(t, `--drain-timeout 0 ${server.url}`)
  await initialize(command)
  command.say({ id: 1, method: 'test/hang' })
  await held
  stop()
  await new Promise((resolve) => setTimeout(resolve, 50))
  release()
  t.equal(await command.code, 0)
  t.match(command.messages.at(-1), { id: 1, result: {} })
})

t.test('no signal is listened to before and after', async (t) => {
  const server = await startServer(t)
  const before = process.listenerCount('SIGTERM')
  const command = run(t, server.url)
  await initialize(command)
  t.equal(process.listenerCount('SIGTERM'), before + 1)
  command.stdin.end()
  await command.code
  t.equal(process.listenerCount('SIGTERM'), before)
})

t.test('a reader that leaves ends it', async (t) => {
  const server = await startServer(t)
  const command = run(t, server.url)
  await initialize(command)
  command.stdout.destroy()
  t.equal(await command.code, 0)
  t.strictSame([...command.log], [])
})

t.test('it is recorded', async (t) => {
  const server = await startServer(t)
  const file = `${t.testdir()}/session.ndjson`
  const command = run(t, ['--record', file, server.url])
  await initialize(command)
  command.stdin.end()
  t.equal(await command.code, 0)
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  t.match(
    lines.map((line): Json => JSON.parse(line)),
    [
      { from: 'client', session: 'stdio', frame: /"initialize"/ },
      { from: 'server', session: 'stdio', frame: /"result"/ },
      { from: 'client', session: 'stdio', frame: /"notifications\/initialized"/ }
    ]
  )
})

t.test('what is wrong with the recording comes first', async (t) => {
  const server = await startServer(t)
  const file = `${t.testdir()}/nowhere/session.ndjson`
  const { code, log } = run(t, ['--record', file, '--transport', 'sse', server.sseUrl])
  t.equal(await code, 2)
  t.match([...log], [/^mcp-proxy: cannot write the recording to /])
  t.equal(server.requests.length, 0)
})
