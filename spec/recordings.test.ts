// Recorded sessions of real clients with real servers are played again, with the proxy between the
// two sides: each must get from the other exactly what it got when the session was recorded.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient, stdioClient } from '../fixtures/clients/raw.js'
import { Player, readRecording } from '../fixtures/player.js'
import type { RecordedFrame } from '../lib/wrappers/record.ts'
import { fixture } from './helpers.ts'
import { environment, node, rawThroughProxy, startProxy } from './interop/helpers.ts'

t.setTimeout(120_000)

/** A client that says any text, and is told each text that comes. */
interface Peer {
  say(text: string): unknown
  leave(): unknown
}

type Connect = (
  proxyUrls: { mcp(): string; sse(): string },
  hear: (text: string) => void
) => Promise<Peer>

async function throughStdio(args: string[], hear: (text: string) => void): Promise<Peer> {
  const client = silenced(rawThroughProxy(...args))
  void pass(client.lines, hear)
  return { say: (text) => client.sendRaw(`${text}\n`), leave: () => client.end() }
}

/** The player answers, and nobody else. */
function silenced<Client extends { onRequest(answer: () => unknown): void }>(
  client: Client
): Client {
  client.onRequest(() => undefined)
  return client
}

async function pass(texts: AsyncIterable<string>, hear: (text: string) => void): Promise<void> {
  for await (const text of texts) hear(text)
}

/** Every way from a client to a recorded server: server mode alone, and client mode before it. */
const ways: Record<string, Connect> = {
  async 'server mode, Streamable HTTP'(proxy, hear) {
    const client = silenced(httpClient(proxy.mcp()))
    const listen = async (events: AsyncIterable<{ data: string | undefined }>): Promise<void> => {
      // Events without data are there to be resumed from.
      for await (const { data } of events) if (data) hear(data)
    }
    return {
      async say(text) {
        const { id, method } = JSON.parse(text)
        if (id === undefined || method === undefined) {
          await client.post(text)
          if (method === 'notifications/initialized') void listen(await client.openGet())
          return
        }
        const stream = await client.openPost(text, { accept: 'text/event-stream' })
        client.sessionId ??= stream.headers['mcp-session-id'] as string
        void listen(stream)
      },
      leave: async () => {
        await client.delete()
        client.close()
      }
    }
  },
  async 'server mode, HTTP+SSE'(proxy, hear) {
    const client = silenced(await sseClient(proxy.sse()))
    const messages = (async () => {
      for await (const { event, data } of client.connection) {
        if (event === 'message' && data) hear(data)
      }
    })()
    return {
      say: (text) => client.post(text),
      leave: () => {
        client.close()
        return messages
      }
    }
  },
  'client mode and server mode, Streamable HTTP': (proxy, hear) =>
    throughStdio([proxy.mcp()], hear),
  'client mode and server mode, HTTP+SSE': (proxy, hear) =>
    throughStdio(['--transport', 'sse', proxy.sse()], hear)
}

const scratch = mkdtempSync(path.join(tmpdir(), 'recordings-'))
t.teardown(() => rmSync(scratch, { recursive: true }))

const sessions = fixture('sessions')
const textsOf = (recording: RecordedFrame[], side: string): string[] =>
  recording.filter(({ from }) => from === side).map(({ frame }) => frame)

for (const name of readdirSync(sessions).filter((name) => name.endsWith('.ndjson'))) {
  const file = path.join(sessions, name)
  t.test(name, async (t) => {
    const recording = readRecording(file)
    for (const [way, connect] of Object.entries(ways)) {
      t.test(way, (t) => playThrough(t, file, recording, connect))
    }
  })
}

async function playThrough(
  t: Test,
  file: string,
  recording: RecordedFrame[],
  connect: Connect
): Promise<void> {
  const again = path.join(scratch, `${t.fullname.replace(/\W+/g, '-')}.ndjson`)
  const server = [node, fixture('player.js'), file, 'server']
  const proxy = await startProxy('--record', again, '--', ...server)
  t.teardown(proxy.close)
  const heard: string[] = []
  const peer = await connect(proxy, (text) => {
    heard.push(text)
    player.receive(text)
  })
  const player = new Player(recording, 'client', peer.say)
  void player.start()
  await player.done
  await peer.leave()
  await proxy.close()
  t.same(player.unexpected, [], 'nothing came that was not recorded, or not in these bytes')
  t.same(heard.toSorted(), textsOf(recording, 'server').toSorted(), 'all came that was recorded')
  t.notMatch(proxy.stderr, /did not come|was not recorded/, 'the server had nothing to object')
  t.same(
    textsOf(readRecording(again), 'client').toSorted(),
    textsOf(recording, 'client').toSorted(),
    'and it was told all that the client said'
  )
}

t.test('the player', async (t) => {
  const file = fixture('sessions/memory.ndjson')
  const playServer = [fixture('player.js'), file, 'server']

  t.test('plays both sides as a command', async (t) => {
    const client = stdioClient(node, [fixture('player.js'), file, 'client', node, ...playServer], {
      env: environment
    })
    t.match(await client.closed, { code: 0, stderr: '' })
  })

  t.test('tells when the other side does not keep to the recording', async (t) => {
    const other = [fixture('servers/demo.js')]
    const client = stdioClient(node, [fixture('player.js'), file, 'client', node, ...other], {
      env: environment
    })
    t.match(await client.closed, { code: 1, stderr: /was not recorded: .*"name":"demo"/ })
  })

  t.test('answers a client that has ids of its own', async (t) => {
    const client = stdioClient(node, playServer, { env: environment, firstId: 100 })
    const recorded = readRecording(file).map(({ frame }) => JSON.parse(frame))
    for (const { method, id, params } of recorded) {
      if (method === undefined) continue
      if (id === undefined) {
        await client.notify(method, params)
        continue
      }
      const answer = await client.request(method, params)
      const { result } = recorded.find((message) => message.id === id && !message.method)
      t.same(answer.result, result, method)
    }
    t.match(await client.request('unacknowledged/of'), { error: { code: -32601 } })
    t.match(await client.end(), { code: 1, stderr: /came, and was not recorded: .*unacknowledged/ })
  })
})

t.test('recordings are small, and name nothing of the machine that made them', async (t) => {
  for (const name of readdirSync(sessions)) {
    const text = readFileSync(path.join(sessions, name), 'utf8')
    t.ok(text.length < 200_000, name)
    t.notMatch(text, /\/tmp|\/var\/|\/root|node_modules/, name)
  }
})
