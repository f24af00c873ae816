// Faults of an HTTP server that client mode reaches. Four calls are in flight when the server fails the
// fifth; afterwards the session must go on.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { cutAfter, pathOf, waitUntil } from '../cell.js'
import { isRunning } from '../processes.js'

const notRemote = ({ isRemote }) => (isRemote ? undefined : 'the proxy does not reach it over HTTP')
const notHttp = ({ isRemote, joined }) => (isRemote || joined ? undefined : notRemote({}))

const row = (title, fault, options = {}) => ({
  title,
  dash: notRemote,
  ...options,
  async run(cell) {
    const client = await cell.client()
    await cell.calls(client, ...Array.from({ length: 4 }, () => ({ delay: 300 })), { fault })
    await cell.recovers(client)
  }
})

/** Takes the server away and brings it back on the same port. */
const server = {
  async down(cell) {
    if (cell.remote) return cell.remote.down()
    const [proxy] = cell.proxies
    process.kill(proxy.pid, 'SIGKILL')
    await proxy.exited
  },
  async up(cell) {
    if (cell.remote) return cell.remote.up()
    const { port } = cell.proxies.shift()
    await cell.serve(cell.serverArgs('legacy'), { port })
  }
}

const sseStatus = ({ isSse }) => (isSse ? 'it is the right status there' : undefined)

export const remoteRows = {
  'answers-401': row('remote answers 401', 401),
  'answers-403': row('remote answers 403', 403),
  'answers-404': row('remote answers 404', 404),
  'answers-410': row('remote answers 410', 410),
  'answers-429': row('remote answers 429 with `Retry-After`', 429),
  'answers-500': row('remote answers 500', 500),
  'answers-502': row('remote answers 502 with HTML', 502),
  'wrong-type': row('a response of the wrong type', 'wrongType', {
    dash: (place) => notRemote(place) ?? sseIgnores(place)
  }),
  'wrong-length': row('a response shorter than its `Content-Length`', 'wrongLength', {
    dash: (place) => notRemote(place) ?? sseIgnores(place)
  }),
  compressed: row('a compressed response', 'compressed'),
  'answers-202': row('202 to a request', 202, {
    dash: (place) => notRemote(place) ?? sseStatus(place)
  }),
  'answers-204': row('204 to a request', 204, {
    dash: (place) => notRemote(place) ?? sseStatus(place)
  }),
  empty: row('an empty response', 'empty', {
    dash: (place) => notRemote(place) ?? sseIgnores(place)
  }),
  'headers-only': row('headers, and then nothing', 'headersOnly', {
    dash: (place) => notRemote(place) ?? sseIgnores(place)
  }),
  'stalled-error': row('an error whose body stalls', 'stalledError'),
  'redirect-own': row('a redirect to its own origin', 'redirectOwn'),
  'redirect-other': row('a redirect to another origin', 'redirectOther'),
  'cut-get': {
    title: 'GET stream cut at every byte of an event',
    dash: ({ isRemote, isModern, isSse, resumes, joined }) => {
      if (resumes) return undefined
      if (joined) return 'stdio has no event ids'
      if (!isRemote || isModern)
        return isSse ? 'HTTP+SSE has no event ids' : 'there is no GET stream'
      return isSse ? 'HTTP+SSE has no event ids' : undefined
    },
    run: (cell) => (cell.place.isRemote ? cutGet(cell) : cutOwnGet(cell))
  },
  restarts: {
    title: 'remote restarts under 16 calls',
    dash: notHttp,
    async run(cell) {
      const client = await cell.client()
      const calls = cell.send(client, ...Array.from({ length: 16 }, () => ({ delay: 2000 })))
      await sleep(500)
      await server.down(cell)
      await server.up(cell)
      await cell.end(calls)
      await cell.recovers(client, 30_000)
    }
  },
  away: {
    title: 'remote away for 30 s',
    dash: notHttp,
    waits: true,
    async run(cell) {
      const client = await cell.client()
      const calls = cell.send(client, ...Array.from({ length: 4 }, () => ({ delay: 2000 })))
      await sleep(300)
      await server.down(cell)
      await cell.end(calls)
      for (let second = 0; second < 30; second += 5) {
        await cell.calls(client, {})
        await sleep(5000)
      }
      await server.up(cell)
      // The pauses between the attempts grow to 30 s.
      await cell.recovers(client, 45_000)
    }
  },
  'silent-syn': {
    title: 'remote does not answer SYN (a full backlog)',
    dash: notRemote,
    waits: true,
    async run(cell) {
      const client = await cell.client()
      const { port } = cell.remote
      await cell.remote.down()
      const hole = fork(pathOf('fixtures/tracked/full-backlog.js'), [String(port), cell.directory])
      await once(hole, 'message')
      const fillers = Array.from({ length: 8 }, () =>
        connect(port, '127.0.0.1').on('error', () => {})
      )
      await sleep(300)
      await cell.calls(client, {}, {}, {}, {}, {})
      await cell.calls(client, {}, {})
      for (const filler of fillers) filler.destroy()
      hole.kill('SIGKILL')
      await once(hole, 'exit')
      await cell.remote.up()
      await cell.recovers(client, 45_000)
    }
  },
  names: {
    title: 'its name does not resolve for 3 s',
    dash: notRemote,
    waits: true,
    url: (remote, which) => remote[which].replace('127.0.0.1', 'faults.test'),
    env: { NODE_OPTIONS: `--require ${pathOf('fixtures/tracked/resolve.cjs')}` },
    async run(cell) {
      const client = await cell.client()
      writeFileSync(`${cell.directory}/unresolved`, '')
      await cell.remote.down()
      await cell.calls(client, {}, {}, {}, {})
      await sleep(3000)
      await cell.remote.up()
      rmSync(`${cell.directory}/unresolved`)
      await cell.recovers(client, 45_000)
    }
  },
  'name-at-start': {
    title: 'its name does not resolve at the start',
    dash: notRemote,
    waits: true,
    startsAlone: true,
    url: (remote, which) => remote[which].replace('127.0.0.1', 'faults.test'),
    env: { NODE_OPTIONS: `--require ${pathOf('fixtures/tracked/resolve.cjs')}` },
    async run(cell) {
      writeFileSync(`${cell.directory}/unresolved`, '')
      // A client opens again after an error, and a host starts client mode again after its exit.
      let client
      const opened = async () => {
        if (client === undefined || !isRunning(client.pid)) {
          client = cell.place.client(cell)
          cell.clients.push(client)
        }
        return client.open().then(
          () => true,
          () => false
        )
      }
      if (await opened()) cell.hung('a name that does not resolve was reached')
      await sleep(1000)
      rmSync(`${cell.directory}/unresolved`)
      for (let tries = 0; tries < 10 && !(await opened()); tries++) await sleep(500)
      await cell.calls(client, {}, {}, {}, {}, {})
    }
  }
}

function sseIgnores({ isSse }) {
  return isSse ? 'the response comes on the event stream' : undefined
}

/**
 * The server sends numbered notifications on the stream of the GET and cuts it after each byte. The
 * client must get each notification once, and each of five calls whose responses come on that stream.
 */
async function cutGet(cell) {
  const client = await cell.client()
  const { remote } = cell
  const got = new Map()
  client.onNotification = ({ params }) => got.set(params.data, (got.get(params.data) ?? 0) + 1)
  const eventOf = (n) => {
    const params = { level: 'info', data: n }
    const data = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params })
    return `id: get-${n}\ndata: ${data}\n\n`
  }
  const count = eventOf(100).length
  let cut = 0
  const done = new Promise((resolve) => {
    // Each stream brings one whole event, and a part of the next one.
    remote.onGet = (res, last = 'get--1') => {
      const from = Number(last.slice('get-'.length)) + 1
      if (cut >= count) return resolve()
      const text = eventOf(from) + eventOf(from + 1).slice(0, cut++)
      res.write(text, () => setTimeout(() => res.destroy(), 5))
    }
  })
  for (const stream of remote.streams.values()) stream.destroy()
  await cell.calls(client, {}, {}, {}, {}, {})
  await Promise.race([done, sleep(100_000)])
  await sleep(300)
  const missing = Array.from({ length: count }, (_, n) => n).filter((n) => !got.has(n))
  if (missing.length > 0) cell.lost(`${missing.length} of ${count} notifications: ${missing}`)
  const twice = [...got].filter(([, times]) => times > 1)
  if (twice.length > 0) cell.duplicated(`${twice.length} notifications`)
}

/** The client cuts each of its GET streams one byte later, and asks for the rest. */
async function cutOwnGet(cell) {
  const client = await cell.client()
  const got = new Map()
  const onNotification = ({ method, params }) => {
    if (method === 'notifications/message') got.set(params.data, (got.get(params.data) ?? 0) + 1)
  }
  client.onNotification = onNotification
  const sent = []
  let last
  await client.request('logging/setLevel', { level: 'debug' })
  for (let cut = 0; cut < 180; cut++) {
    const stream = await client.listen(last, (response) => cutAfter(response, cut))
    const calls = await cell.calls(client, { fault: 'notifiesLater' })
    // Without the id of an event, a client cannot ask for the rest.
    if (last !== undefined) sent.push(...calls.map(({ n }) => n))
    await waitUntil(() => stream.response.destroyed, 300)
    stream.response.destroy()
    last = stream.lastEventId ?? last
  }
  await client.listen(last)
  await waitUntil(() => sent.every((n) => got.has(n)), 5000)
  const missing = sent.filter((n) => !got.has(n))
  if (missing.length > 0) cell.lost(`${missing.length} of ${sent.length} notifications: ${missing}`)
  const twice = [...got].filter(([, times]) => times > 1)
  if (twice.length > 0) cell.duplicated(`${twice.length} notifications`)
}
