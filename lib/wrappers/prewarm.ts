// This starts servers before a session needs them, so that a new session does not wait for npx or
// uvx. The proxy sends nothing to a waiting server. The client that takes the server initializes
// it.

import type { Duplex } from 'node:stream'

/**
 * Keeps `count` started servers waiting. Returns two functions. `connect` returns a waiting server,
 * or a new one if no server waits. `destroy` destroys the waiting servers and resolves when all of
 * them have closed.
 *
 * If a waiting server closes, the next call of `connect` replaces it. It is not replaced earlier,
 * because a server that cannot start would then be started again without end.
 */
export function prewarm<Server extends Duplex>(
  connect: () => Server,
  count: number
): { connect: () => Server; destroy: () => Promise<void> } {
  const waiting = new Set<Server>()
  let destroyed = false

  const fill = (): void => {
    while (!destroyed && waiting.size < count) {
      const server = connect()
      waiting.add(server)
      server.once('close', () => waiting.delete(server))
      server.on('error', ignoreError).on('readable', noticeEnd)
    }
  }

  const take = (): Server => {
    const [server = connect()] = waiting
    waiting.delete(server)
    setImmediate(fill) // starts servers after the caller has used its own
    return server.off('error', ignoreError).off('readable', noticeEnd)
  }

  const destroy = async (): Promise<void> => {
    destroyed = true
    const closed = [...waiting].map(
      (server) => new Promise((resolve) => server.once('close', resolve))
    )
    for (const server of waiting) server.destroy()
    await Promise.all(closed)
  }

  fill()
  return { connect: take, destroy }
}

// Without this listener, an error of a waiting server would end the proxy's process.
const ignoreError = (): void => {}

// A stream emits `end` and `close` only when it is read. `read(0)` reads it but takes no frame.
function noticeEnd(this: Duplex): void {
  this.read(0)
}
