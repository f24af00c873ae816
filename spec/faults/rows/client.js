// Faults of a client. While one client misbehaves, another calls five times, and each of its calls must
// end. In client mode there is only the client that started the proxy. Then the client must be able to
// go on, or the proxy must exit.

import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { cutAfter } from '../cell.js'
import { memoryOf } from '../processes.js'

const MiB = 1 << 20
const five = [{}, {}, { delay: 100 }, { delay: 100 }, {}]
const slow = Array.from({ length: 5 }, () => ({ delay: 1000 }))
const streamed = Array.from({ length: 5 }, () => ({ delay: 1000, progress: 10 }))

const noResume = ({ resumes, perCall, isSse, isClientMode }) => {
  if (resumes) return undefined
  if (isClientMode) return 'stdio has no event ids'
  if (isSse) return 'HTTP+SSE has no event ids'
  return perCall ? 'streams cannot be resumed there' : undefined
}

/** A client leaves during `args`, without a word. */
async function vanish(cell, args) {
  const client = await cell.client()
  const calls = cell.send(client, ...args)
  await sleep(400)
  for (const call of calls) call.abandon()
  client.vanish()
  if (cell.place.isClientMode) {
    const proxy = cell.proxies.at(-1)
    await cell.exits(proxy)
    if (!cell.place.joined) return
  }
  await cell.calls(await cell.open(), ...five)
}

/** What a flood is at this place. */
const flood = ({ isRemote }) =>
  isRemote ? { fault: 'floods', bytes: 32 * MiB } : { fault: 'floodsStdout', bytes: 32 * MiB }

/** Pauses the stream that brings the client its responses. Returns the paused stream. */
async function pausedFlood(cell, client) {
  const { isClientMode, isSse } = cell.place
  if (isClientMode) client.process.stdout.pause()
  else if (isSse) client.stream.pause()
  const [call] = cell.send(client, { ...flood(cell.place) })
  call.paused = true
  await sleep(2000)
  return call
}

/** The proxy must not keep what a client does not read. */
function checkMemory(cell, before) {
  for (const [i, { pid }] of cell.proxies.entries()) {
    const growth = (memoryOf(pid) - before[i]) / MiB
    if (growth > 100) cell.leaked(`${Math.round(growth)} MiB for a client that does not read`)
  }
}

export const clientRows = {
  'vanishes-call': {
    title: 'client vanishes in a call',
    run: (cell) => vanish(cell, slow)
  },
  'vanishes-stream': {
    title: 'client vanishes in a stream',
    run: (cell) => vanish(cell, streamed)
  },
  'never-reads': {
    title: 'client never reads a flood',
    async run(cell) {
      const client = await cell.client()
      const before = cell.proxies.map(({ pid }) => memoryOf(pid))
      const call = await pausedFlood(cell, client)
      if (!cell.place.isClientMode) await cell.calls(await cell.open(), ...five)
      checkMemory(cell, before)
      if (cell.place.isClientMode) {
        // The flood waits for the client. It reads in the end.
        client.process.stdout.resume()
        await cell.end([call], 20_000)
        return void (await cell.calls(client, ...five))
      }
      call.abandon()
      client.vanish()
    }
  },
  'reads-slowly': {
    title: 'client reads a byte a second',
    async run(cell) {
      const client = await cell.client()
      const { isClientMode, isSse } = cell.place
      const call = await pausedFlood(cell, client)
      const stream = isClientMode ? client.process.stdout : isSse ? client.stream : call.response
      const others = isClientMode ? [] : cell.send(await cell.open(), ...five)
      for (let second = 0; second < 4; second++) {
        stream?.read(1)
        await sleep(1000)
      }
      await cell.end(others)
      if (isClientMode) {
        stream.resume()
        await cell.end([call], 20_000)
        return void (await cell.calls(client, ...five))
      }
      call.abandon()
      client.vanish()
    }
  },
  'last-event-id': {
    title: 'client comes back with `Last-Event-ID`',
    dash: noResume,
    async run(cell) {
      const client = await cell.client()
      const calls = cell.send(client, ...streamed)
      await sleep(500)
      for (const { response } of calls) response?.destroy() // the client resumes each stream
      await cell.end(calls)
    }
  },
  'comes-back-early': {
    title: 'client comes back while its old connection lives',
    dash: (place) => (place.isClientMode ? 'stdio has one connection' : undefined),
    async run(cell) {
      const client = await cell.client()
      if (!cell.place.resumes) {
        // There is no stream to come back to: a second connection is another client.
        const calls = cell.send(client, ...streamed)
        await cell.calls(await cell.open(), ...five)
        return cell.end(calls)
      }
      await client.listen()
      const calls = cell.send(client, ...streamed)
      await sleep(500)
      await client.listen()
      for (const call of calls) if (call.lastEventId) client.resume(call, call.lastEventId)
      await cell.end(calls)
      await client.listen()
      await cell.calls(client, ...five)
    }
  },
  'cut-post': {
    title: 'POST stream cut at every byte of an event',
    dash: (place) => (place.isRemote && !place.isSse ? undefined : noResume(place)),
    run: cutEverywhere
  },
  'half-request': {
    title: 'client sends half a request, then nothing',
    dash: ({ isClientMode }) => (isClientMode ? 'a line is read to its end' : undefined),
    async run(cell) {
      const client = await cell.client()
      const sockets = Array.from({ length: 5 }, () => {
        const socket = connect(client.url.port, '127.0.0.1').on('error', () => {})
        const head = `POST ${client.url.pathname} HTTP/1.1\r\nHost: localhost\r\n`
        socket.write(`${head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"json`)
        return socket
      })
      await cell.calls(client, ...five)
      for (const socket of sockets) socket.destroy()
    }
  }
}

/** The longest part of a stream that is cut at each of its bytes. */
const cuts = 330

async function cutEverywhere(cell) {
  const client = await cell.client()
  if (cell.place.isRemote) {
    // The server cuts, and the proxy resumes.
    for (let cut = 0; cut < cuts; cut += 33) {
      const args = Array.from({ length: 33 }, (_, i) => ({
        fault: 'cutAt',
        cut: cut + i,
        progress: 1
      }))
      await cell.calls(client, ...args)
    }
    return
  }
  for (let cut = 0; cut < cuts; cut += 33) {
    const calls = Array.from({ length: 33 }, (_, i) => cutClient(cell, client, cut + i))
    await cell.end(calls)
    // Without the id of an event, a client cannot ask for the rest.
    for (const call of calls) call.excused = call.lastEventId === undefined
  }
}

/** Makes a call, and closes its connection after `cut` bytes of its stream. The client then resumes. */
function cutClient(cell, client, cut) {
  const [call] = cell.send(client, { delay: 100, progress: 1 })
  call.onResponse = (response) => cutAfter(response, cut, () => (call.isCut = true))
  return call
}
