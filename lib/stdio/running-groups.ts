// The process groups of all servers that have not exited. When the proxy must exit at once, it
// kills all of them with one call.

/** The members of `ProcessGroup` that this file uses. */
interface Group {
  signal(signal: 'SIGTERM' | 'SIGKILL'): void
}

/** A group is added when its server starts, and deleted when its processes have exited. */
export const runningGroups = new Set<Group>()

/** Kills every process of every server, without a delay. */
export function killGroups(): void {
  for (const group of runningGroups) group.signal('SIGKILL')
}
