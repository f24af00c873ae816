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
