// Servers started before a session needs them, so that a new session does not wait for npx or uvx. The
// proxy sends nothing to a waiting server: the client that takes it initializes it.

import type { Duplex } from 'node:stream'

/**
 * Keeps `count` servers started. Returns a `connect` that takes one of them, or makes one if none
 * waits; and `destroy`, which destroys the waiting servers and resolves when they have closed.
 *
 * A server that closes while it waits is replaced when the next one is taken, and not before: a server
 * that cannot start would otherwise be started again without end.
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
    setImmediate(fill) // after the caller has used its server
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

// Without a listener the error of a waiting server would end the process.
const ignoreError = (): void => {}

// A stream emits `end` and `close` only when it is read. This reads no frame.
function noticeEnd(this: Duplex): void {
  this.read(0)
}
