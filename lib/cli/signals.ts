// Listens for the signals that ask the proxy to stop. They come from a terminal, a process manager
// or an MCP client.

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Calls `callback` at each signal to stop.
 *
 * @param callback `again` is true from the second signal on: the user wants an immediate stop
 * @returns a function that removes the listeners
 */
export function onStop(callback: (again: boolean) => void): () => void {
  let again = false
  const listener = (): void => {
    callback(again)
    again = true
  }
  for (const signal of signals) process.on(signal, listener)
  return () => {
    for (const signal of signals) process.off(signal, listener)
  }
}
