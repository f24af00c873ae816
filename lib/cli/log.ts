// The log of the command. Each message is one line: text in the format of the Python mcp-proxy, or JSON
// for programs.

import type { LogFormat, LogLevel } from '../config/config.ts'
import type { Log, LogContext } from '../log.ts'
import { toLine } from '../text.ts'

const ranks: Record<LogLevel, number> = { DEBUG: 0, INFO: 1, WARNING: 2, ERROR: 3, CRITICAL: 4 }

export interface LogSettings {
  /** The log drops messages that are less severe than this. */
  level: LogLevel
  format: LogFormat
}

/** @param write receives one line, without its line break */
export function createLog({ level, format }: LogSettings, write: (line: string) => void): Log {
  const toText = format === 'json' ? jsonLine : textLine
  const at =
    (own: LogLevel) =>
    (message: string, context: LogContext = {}): void => {
      if (ranks[own] >= ranks[level]) write(toText(own, toLine(message), context))
    }
  return { debug: at('DEBUG'), info: at('INFO'), warn: at('WARNING'), error: at('ERROR') }
}

function textLine(level: LogLevel, message: string, { server, session }: LogContext): string {
  const about = [server, session && `session ${session}`].filter(Boolean).join(', ')
  const text = about === '' ? message : `${toLine(about)}: ${message}`
  return `[${level.charAt(0)} ${timestamp(new Date())}] ${text}`
}

function jsonLine(level: LogLevel, message: string, context: LogContext): string {
  const { server, session, principal, code } = context
  const time = new Date().toISOString()
  return JSON.stringify({ time, level, message, server, session, principal, code })
}

// Returns the local time, because people compare the log with their own clock.
function timestamp(time: Date): string {
  const date = [time.getFullYear(), pad(time.getMonth() + 1), pad(time.getDate())].join('-')
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => pad(part))
  return `${date} ${clock.join(':')}.${pad(time.getMilliseconds(), 3)}`
}

const pad = (part: number, length = 2): string => String(part).padStart(length, '0')
