// How a client can reach a server through a proxy, and what every measurement of a transport starts
// with: a candidate for each proxy.
//
// A candidate is { name, client, pid, close }: a started proxy, and a client that has opened a session
// through it. `pid` is the process to measure. The last candidate is "no proxy": the client speaks to
// the minimal server over stdio, and has no pid.

import { ModernClient } from './clients/modern-client.js'
import { SessionClient } from './clients/session-client.js'
import { SseClient } from './clients/sse-client.js'
import { StdioClient } from './clients/stdio-client.js'
import { withDeadline } from './deadline.js'
import { skipIfOther } from './other-proxies.js'
import { httpServer, proxiesFor, stdioServer } from './proxies.js'
import { startServer, stop } from './start-server.js'

export const transports = {
  sessions: { title: 'Streamable HTTP, sessions', Client: SessionClient },
  sse: { title: 'HTTP+SSE', Client: SseClient },
  modern: { title: 'Streamable HTTP, 2026-07-28', Client: ModernClient },
  client: { title: 'client mode' }
}

/** The name of the candidate without a proxy. */
export const noProxy = 'no proxy'

/** The longest time to open a session, in ms. A proxy under valgrind starts slowly. */
const maxOpening = 60_000

/**
 * Returns a function for each candidate of a transport. It resolves to the candidate, or to undefined
 * if a proxy of another project opens no session.
 * @param raw whether HTTP clients use raw sockets; false: `fetch`
 * @param options those of `proxiesFor`
 */
export function candidatesOf(transport, { raw, ...options }) {
  const openers = proxiesFor(transport, options).map((proxy) => () => {
    return transport === 'client'
      ? openClientMode(proxy)
      : openServerMode(proxy, transports[transport].Client, raw)
  })
  return [...openers, openNoProxy]
}

/** Opens all candidates of a transport, calls `measure` with them, and closes them. */
export async function withCandidates(transport, options, measure) {
  const candidates = []
  try {
    for (const open of candidatesOf(transport, options)) {
      const candidate = await open()
      if (candidate !== undefined) candidates.push(candidate)
    }
    return await measure(candidates)
  } finally {
    for (const { close } of candidates) await close()
  }
}

async function openServerMode({ name, args, path, tool }, Client, raw) {
  const server = await startServer(args).catch((error) => skipIfOther(name, error))
  if (server === undefined) return undefined
  const client = new Client({ port: server.port, path, tool, raw })
  const close = () => {
    client.close()
    return server.stop()
  }
  return openSession({ name, client, pid: server.pid, close })
}

async function openClientMode({ name, args }) {
  const server = await startServer(httpServer)
  const client = new StdioClient(args(`http://127.0.0.1:${server.port}/mcp`))
  const close = async () => {
    client.close()
    await stop(client.process)
    await server.stop()
  }
  return openSession({ name, client, pid: client.process.pid, close })
}

async function openSession(candidate) {
  try {
    await withDeadline(maxOpening, 'opening a session', candidate.client.open())
    return candidate
  } catch (error) {
    await candidate.close()
    skipIfOther(candidate.name, error)
    return undefined
  }
}

async function openNoProxy() {
  const client = new StdioClient(stdioServer)
  await client.open()
  return { name: noProxy, client, pid: NaN, close: () => stop(client.process) }
}
