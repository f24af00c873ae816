import { choiceOf, file, inspectAddress, metricsPlace, size } from '../arguments/values.ts'
import type { LogFormat, LogLevel } from '../../config/config.ts'
import { inspectMemory } from '../../limits.ts'
import type { Flags } from './flag.ts'

const levels: LogLevel[] = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL']

const formats: LogFormat[] = ['text', 'json']

const carriers: ('keep' | 'move')[] = ['keep', 'move']

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
  'log-format': {
    shape: 'value',
    kind: choiceOf('FORMAT', formats),
    default: 'text',
    sets: 'logFormat',
    help: '`text`, or `json`: each line of the log is an object with `time`, `level` and `message`, and with `server`, `session`, `principal` and the `code` of an error where they are known'
  },
  'log-file': {
    shape: 'value',
    kind: file,
    sets: 'logFile',
    defaultText: 'stderr',
    help: 'append the log to this file; SIGHUP opens it again, so that a program can rotate it'
  },
  record: {
    shape: 'value',
    kind: file,
    sets: 'record',
    defaultText: 'none',
    help: 'write each message to this file, with all secrets in it'
  },
  audit: {
    shape: 'value',
    kind: file,
    sets: 'audit',
    defaultText: 'none',
    help: 'append a line of JSON to this file for each session, call and refusal: who called what, when, and how it ended, without arguments, results and tokens; `-` is stdout, in server mode'
  },
  metrics: {
    shape: 'value',
    kind: metricsPlace,
    sets: 'metrics',
    defaultText: 'none',
    help: 'serve metrics in the format of Prometheus: at this path of the listener, or at `/metrics` of this port, on 127.0.0.1 if there is no HOST'
  },
  traces: {
    shape: 'switch',
    sets: 'traces',
    help: 'make a span of each call with `@opentelemetry/api`, which must be installed beside the proxy, and whose SDK you start, for example with `NODE_OPTIONS=--import=FILE`'
  },
  'trace-context': {
    shape: 'value',
    kind: choiceOf('CARRIER', carriers),
    default: 'keep',
    sets: 'traceContext',
    help: '`move` writes `traceparent`, `tracestate` and `baggage` of HTTP headers into `params._meta` of the messages to servers, and for servers at URLs the other way round; `keep` leaves all messages as they are'
  },
  inspect: {
    shape: 'value',
    kind: inspectAddress,
    sets: 'inspect',
    defaultText: 'none',
    help: 'show the traffic in a browser: serve a page at this port, on 127.0.0.1 if there is no HOST; the log has its URL, which opens the page in one browser; the page has all messages, with all secrets in them'
  },
  'inspect-memory': {
    shape: 'value',
    kind: size,
    default: inspectMemory,
    sets: 'inspectMemory',
    help: 'the memory for the messages that the page of `--inspect` can show; the oldest go first, and there are at most 100,000'
  }
} as const satisfies Flags
