// The log that callers may pass to the library: four functions. `console` is one.

export interface Log {
  debug(message: string): void
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

const nothing = (): void => {}

export const silent: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
