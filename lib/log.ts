// The type of a log that callers may pass to the library. It has four functions, so `console` fits.

/** What a message is about. Each member is optional. */
export interface LogContext {
  /** The name of the server, as the log shows it. */
  readonly server?: string | undefined
  /** The first characters of the id of the client's session. The whole id is a secret. */
  readonly session?: string | undefined
  /** The principal of the client's token. */
  readonly principal?: string | undefined
  /** The code of the error that the message describes. */
  readonly code?: string | undefined
}

export interface Log {
  debug(message: string, context?: LogContext): void
  info(message: string, context?: LogContext): void
  warn(message: string, context?: LogContext): void
  error(message: string, context?: LogContext): void
}

/** Returns a log whose messages are about `context`, and about what they say themselves. */
export function withContext(log: Log, context: LogContext): Log {
  const at = (level: keyof Log) => (message: string, own?: LogContext) =>
    log[level](message, { ...context, ...own })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
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
