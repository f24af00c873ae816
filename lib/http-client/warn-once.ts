// Logs each warning once, however often its reason comes again. Many sessions may have the same log.

import type { Log } from '../log.ts'

const logged = new WeakMap<Log, Set<string>>()

/** @param message a text without parts that a server chooses, because each text stays in memory */
export function warnOnce(log: Log, message: string): void {
  const messages = logged.get(log) ?? new Set()
  logged.set(log, messages)
  if (messages.has(message)) return
  messages.add(message)
  log.warn(message)
}
