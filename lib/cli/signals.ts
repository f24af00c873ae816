// Listens for the signals that ask the proxy to stop. They come from a terminal, a process manager
// or an MCP client.

import { killGroups } from '../stdio/running-groups.ts'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const

/** How long the process may run after the second signal, in ms. */
const lastTimeout = 600

/**
 * Calls `callback` at each signal to stop. At the second signal and at later ones it first kills
 * all servers, and the process exits within 600 ms.
 *
 * @param callback `again` is false at the first signal and true later
 * @param onHangup what SIGHUP does instead (default: it is a signal to stop)
 * @returns a function that removes the listeners
 */
export function onStop(callback: (again: boolean) => void, onHangup?: () => void): () => void {
  let again = false
  let timer: NodeJS.Timeout | undefined
  const listener = (): void => {
    if (again) {
      killGroups()
      timer ??= setTimeout(() => process.exit(), lastTimeout)
    }
    callback(again)
    again = true
  }
  const listenerOf = (signal: NodeJS.Signals): (() => void) =>
    signal === 'SIGHUP' && onHangup !== undefined ? onHangup : listener
  for (const signal of signals) process.on(signal, listenerOf(signal))
  return () => {
    clearTimeout(timer)
    for (const signal of signals) process.off(signal, listenerOf(signal))
  }
}

/**
 * Returns the function that SIGHUP calls: it opens the files again, and reloads what else can be read
 * again. Returns undefined if SIGHUP must stop the proxy: if there is nothing to open or to reload, and
 * at a terminal, which sends SIGHUP when it closes.
 */
export function onHangup(
  ...files: ({ reopen: () => Promise<void> | void } | undefined)[]
): (() => void) | undefined {
  const open = files.filter((file) => file !== undefined)
  if (open.length === 0) return undefined
  const { stdin, stdout, stderr } = process
  if ([stdin, stdout, stderr].some(({ isTTY }) => isTTY)) return undefined
  return () => {
    for (const file of open) void file.reopen()
  }
}
