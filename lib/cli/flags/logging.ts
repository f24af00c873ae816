import { choiceOf, file } from '../arguments/values.ts'
import type { LogLevel } from '../../config/config.ts'
import type { Flags } from './flag.ts'

const levels: LogLevel[] = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL']

export const loggingFlags = {
  'log-level': {
    shape: 'value',
    kind: choiceOf('LEVEL', levels),
    default: 'INFO',
    sets: 'logLevel',
    reference: true,
    help: 'log messages of this level and above: DEBUG, INFO, WARNING, ERROR or CRITICAL'
  },
  debug: {
    shape: 'switch',
    negatable: true,
    reference: true,
    help: 'the same as `--log-level DEBUG`, and wins over it'
  },
  record: {
    shape: 'value',
    kind: file,
    sets: 'record',
    defaultText: 'none',
    help: 'write each message to this file, with all secrets in it'
  }
} as const satisfies Flags
