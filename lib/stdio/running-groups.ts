// The process groups of all servers that have not exited. Whatever ends the proxy, it can end them with
// one call.

/** Anything that can be sent a signal. */
interface Group {
  signal(signal: 'SIGTERM' | 'SIGKILL'): void
}

/** To be added to when a server starts, and deleted from when its processes have exited. */
export const runningGroups = new Set<Group>()

/** Kills every process of every server, without a delay. */
export function killGroups(): void {
  for (const group of runningGroups) group.signal('SIGKILL')
}
