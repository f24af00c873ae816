// The log of the command. It writes each message as one line to stderr, in the format of the Python
// mcp-proxy.

import type { LogLevel } from '../config/config.ts'
import type { Log } from '../log.ts'
import { toLine } from '../text.ts'
import { LogWriter } from './log-writer.ts'

const ranks: Record<LogLevel, number> = { DEBUG: 0, INFO: 1, WARNING: 2, ERROR: 3, CRITICAL: 4 }

/**
 * @param level the log drops messages that are less severe than this
 * @param write receives one line, without its line break (default: writes it to stderr)
 */
export function createLog(level: LogLevel, write: (line: string) => void = toStderr()): Log {
  const at = (own: LogLevel) => (message: string) => {
    if (ranks[own] < ranks[level]) return
    write(`[${own.charAt(0)} ${timestamp(new Date())}] ${toLine(message)}`)
  }
  return { debug: at('DEBUG'), info: at('INFO'), warn: at('WARNING'), error: at('ERROR') }
}

function toStderr(): (line: string) => void {
  const writer = new LogWriter()
  return (line) => writer.write(line)
}

// Returns the local time, because people compare the log with their own clock.
function timestamp(time: Date): string {
  const date = [time.getFullYear(), pad(time.getMonth() + 1), pad(time.getDate())].join('-')
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => pad(part))
  return `${date} ${clock.join(':')}.${pad(time.getMilliseconds(), 3)}`
}

const pad = (part: number, length = 2): string => String(part).padStart(length, '0')
