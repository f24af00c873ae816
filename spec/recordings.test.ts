// Plays the recorded sessions of real clients and servers again, with the proxy between both sides.
// Each side must receive exactly the messages that it received when the session was recorded.
//
// A player is the server, as a stdio process behind the proxy. Another player is the client in this
// process: it sends through one of four ways into the proxy, and receives what comes back.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient, sseClient, stdioClient } from '../fixtures/clients/raw.js'
import { Player, readRecording } from '../fixtures/player.js'
import type { RecordedFrame } from '../lib/watchers/record.ts'
import { fixture } from './helpers.ts'
import { environment, node, startClientMode, startProxy } from './interop/helpers.ts'

t.setTimeout(120_000)

/** A connection that carries the texts of messages. */
interface Connection {
  send(text: string): unknown
  close(): unknown
}

/** With `headers`, each HTTP request has them. */
type Connect = (
  proxyUrls: { mcp(): string; sse(): string },
  onText: (text: string) => void,
  headers?: Record<string, string>
) => Promise<Connection>

async function connectStdio(args: string[], onText: (text: string) => void): Promise<Connection> {
  const client = withoutResponses(startClientMode(...args))
  void (async () => {
    for await (const text of client.lines) onText(text)
  })()
  return { send: (text) => client.sendRaw(`${text}\n`), close: () => client.end() }
}

/** Stops a client from responding to the server's requests: the player does that. */
function withoutResponses<Client extends { onRequest(handle: () => unknown): void }>(
  client: Client
): Client {
  client.onRequest(() => undefined)
  return client
}

/** Every way from a client to the recorded server: server mode alone, and behind client mode. */
const ways: Record<string, Connect> = {
  async 'server mode, Streamable HTTP'(proxy, onText, headers = {}) {
    const client = withoutResponses(httpClient(proxy.mcp(), { headers }))
    const listen = async (events: AsyncIterable<{ data: string | undefined }>): Promise<void> => {
      // An event without data only carries an id for resuming.
      for await (const { data } of events) if (data) onText(data)
    }
    return {
      async send(text) {
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
      close: async () => {
        await client.delete()
        client.close()
      }
    }
  },
  async 'server mode, HTTP+SSE'(proxy, onText, headers = {}) {
    const client = withoutResponses(await sseClient(proxy.sse(), { headers }))
    const ended = (async () => {
      for await (const { event, data } of client.connection) {
        if (event === 'message' && data) onText(data)
      }
    })()
    return {
      send: (text) => client.post(text),
      close: () => {
        client.close()
        return ended
      }
    }
  },
  'client mode and server mode, Streamable HTTP': (proxy, onText) =>
    connectStdio([proxy.mcp()], onText),
  'client mode and server mode, HTTP+SSE': (proxy, onText) =>
    connectStdio(['--transport', 'sse', proxy.sse()], onText)
}

const scratch = mkdtempSync(path.join(tmpdir(), 'recordings-'))
t.teardown(() => rmSync(scratch, { recursive: true }))

const tokens = path.join(scratch, 'tokens')
writeFileSync(tokens, 'player:s3cret\n')
const authorization = { authorization: 'Bearer s3cret' }

const sessions = fixture('sessions')
const textsOf = (recording: RecordedFrame[], side: string): string[] =>
  recording.filter(({ from }) => from === side).map(({ frame }) => frame)

for (const name of readdirSync(sessions).filter((name) => name.endsWith('.ndjson'))) {
  const file = path.join(sessions, name)
  t.test(name, async (t) => {
    const recording = readRecording(file)
    for (const [way, connect] of Object.entries(ways)) {
      t.test(way, (t) => playSession(t, file, recording, connect))
      if (way.startsWith('client mode')) continue
      t.test(`${way}, with authorization`, (t) => {
        const guarded: Connect = (proxy, onText) => connect(proxy, onText, authorization)
        return playSession(t, file, recording, guarded, ['--auth-token-file', tokens])
      })
    }
  })
}

async function playSession(
  t: Test,
  file: string,
  recording: RecordedFrame[],
  connect: Connect,
  flags: string[] = []
): Promise<void> {
  const newFile = path.join(scratch, `${t.fullname.replace(/\W+/g, '-')}.ndjson`)
  const server = [node, fixture('player.js'), file, 'server']
  const proxy = await startProxy(t, '--record', newFile, ...flags, '--', ...server)
  const received: string[] = []
  const connection = await connect(proxy, (text) => {
    received.push(text)
    player.receive(text)
  })
  const player = new Player(recording, 'client', connection.send)
  void player.start()
  await player.done
  await connection.close()
  await proxy.close()
  t.same(player.unexpected, [], 'the client receives only recorded messages, byte for byte')
  t.same(
    received.toSorted(),
    textsOf(recording, 'server').toSorted(),
    'the client receives every message of the server'
  )
  t.notMatch(proxy.stderr, /(missing|unexpected) message/, 'the server receives what it expects')
  t.same(
    textsOf(readRecording(newFile), 'client').toSorted(),
    textsOf(recording, 'client').toSorted(),
    'the server receives every message of the client'
  )
}

t.test('the player', async (t) => {
  const file = fixture('sessions/memory.ndjson')
  const serverArgs = [fixture('player.js'), file, 'server']

  t.test('plays both sides of a recording, as a command', async (t) => {
    const client = stdioClient(node, [fixture('player.js'), file, 'client', node, ...serverArgs], {
      env: environment
    })
    t.match(await client.closed, { code: 0, stderr: '' })
  })

  t.test('exits with 1 when the other side differs from the recording', async (t) => {
    const other = [fixture('servers/demo.js')]
    const client = stdioClient(node, [fixture('player.js'), file, 'client', node, ...other], {
      env: environment
    })
    t.match(await client.closed, { code: 1, stderr: /unexpected message: .*"name":"demo"/ })
  })

  t.test('answers a client whose ids differ from the recorded ones', async (t) => {
    const client = stdioClient(node, serverArgs, { env: environment, firstId: 100 })
    const recorded = readRecording(file).map(({ frame }) => JSON.parse(frame))
    for (const { method, id, params } of recorded) {
      if (method === undefined) continue
      if (id === undefined) {
        await client.notify(method, params)
        continue
      }
      const response = await client.request(method, params)
      const { result } = recorded.find((message) => message.id === id && !message.method)
      t.same(response.result, result, method)
    }
    t.match(await client.request('not/recorded'), { error: { code: -32601 } })
    t.match(await client.end(), { code: 1, stderr: /unexpected message: .*not\/recorded/ })
  })
})

t.test('recordings are small, and hold no path of the machine that made them', async (t) => {
  for (const name of readdirSync(sessions)) {
    const text = readFileSync(path.join(sessions, name), 'utf8')
    t.ok(text.length < 200_000, name)
    t.notMatch(text, /\/tmp|\/var\/|\/root|node_modules/, name)
  }
})
