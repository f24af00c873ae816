// The type of a log that callers may pass to the library. It has four functions, so `console` fits.

export interface Log {
  debug(message: string): void
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

const nothing = (): void => {}

/** A log that drops all messages. */
export const silent: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing }

const logged = new WeakMap<Log, Set<string>>()

/**
 * Logs a warning once for each log, however often its reason comes again.
 *
 * @param message a text without parts that a peer chooses, because each text stays in memory
 */
export function warnOnce(log: Log, message: string): void {
  const messages = logged.get(log) ?? new Set()
  logged.set(log, messages)
  if (messages.has(message)) return
  messages.add(message)
  log.warn(message)
}
