// Servers started ahead of the sessions that will need them, so that opening one does not wait for
// npx or uvx. They are only started: the first word is the client's.

import type { Duplex } from 'node:stream'

/**
 * Keeps `count` servers started ahead. Gives a function to be used in the place of `connect`, and
 * `destroy`, which ends the servers that nobody took and resolves when they have gone.
 *
 * A server that leaves while it waits is replaced when the next one is taken, not before: one that
 * cannot start must not be started for ever.
 */
export function prewarm<Server extends Duplex>(
  connect: () => Server,
  count: number
): { connect: () => Server; destroy: () => Promise<void> } {
  const ready = new Set<Server>()
  let destroyed = false

  const fill = (): void => {
    while (!destroyed && ready.size < count) {
      const server = connect()
      ready.add(server)
      server.once('close', () => ready.delete(server))
      server.on('error', noop).on('readable', look)
    }
  }

  const take = (): Server => {
    const [server = connect()] = ready
    ready.delete(server)
    setImmediate(fill) // after the one who waits has been served
    return server.off('error', noop).off('readable', look)
  }

  const destroy = async (): Promise<void> => {
    destroyed = true
    const gone = [...ready].map((server) => new Promise((resolve) => server.once('close', resolve)))
    for (const server of ready) server.destroy()
    await Promise.all(gone)
  }

  fill()
  return { connect: take, destroy }
}

// Whoever takes the server hears of its errors; until then there is nobody to tell.
const noop = (): void => {}

// That a server has left is told to those who read. This takes nothing.
function look(this: Duplex): void {
  this.read(0)
}
