// The command's log: one line a message, on stderr, in the form that the Python mcp-proxy's has.

import type { LogLevel } from '../config/config.ts'
import type { Log } from '../log.ts'

const ranks: Record<LogLevel, number> = { DEBUG: 0, INFO: 1, WARNING: 2, ERROR: 3, CRITICAL: 4 }

/** Messages under `level` are dropped. `write` is given whole lines. */
export function createLog(
  level: LogLevel,
  write: (line: string) => void = (line) => void process.stderr.write(line)
): Log {
  const at = (own: LogLevel) => (message: string) => {
    if (ranks[own] < ranks[level]) return
    const line = message.trim().replace(/\s*[\r\n]\s*/g, ' | ')
    write(`[${own.charAt(0)} ${timestamp(new Date())}] ${line}\n`)
  }
  return { debug: at('DEBUG'), info: at('INFO'), warn: at('WARNING'), error: at('ERROR') }
}

// Local time, as people read logs beside their own clock.
function timestamp(time: Date): string {
  const date = [time.getFullYear(), pad(time.getMonth() + 1), pad(time.getDate())].join('-')
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => pad(part))
  return `${date} ${clock.join(':')}.${pad(time.getMilliseconds(), 3)}`
}

const pad = (part: number, length = 2): string => String(part).padStart(length, '0')
