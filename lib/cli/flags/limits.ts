import { count, size, time } from '../arguments/values.ts'
import { limits } from '../../limits.ts'
import type { Flags } from './flag.ts'

/** The default of --max-sessions if each session has its own process. */
export const maxOwnProcesses = 100

/** The limits of both modes. */
export const limitFlags = {
  'max-message': {
    shape: 'value',
    kind: size,
    default: limits.maxMessage,
    sets: 'maxMessage',
    help: 'the largest message, in either direction'
  },
  'connect-timeout': {
    shape: 'value',
    kind: time,
    default: limits.connectTimeout,
    sets: 'connectTimeout',
    help: 'how long a connection may take to open, and how long a server may be silent before its first response is complete'
  },
  'close-timeout': {
    shape: 'value',
    kind: time,
    default: limits.closeTimeout,
    sets: 'closeTimeout',
    help: 'how long a process may take to exit when its input has ended: it gets SIGTERM after half of this time and SIGKILL before its end; how long a server at a URL may take to end a session'
  },
  'drain-timeout': {
    shape: 'value',
    kind: time,
    default: limits.drainTimeout,
    sets: 'drainTimeout',
    help: 'how long requests in flight may still get a response after a signal to stop, if their clients are connected; in client mode, also after the end of stdin'
  },
  'max-rounds': {
    shape: 'value',
    kind: count,
    default: limits.maxRounds,
    sets: 'maxRounds',
    help: 'how often a server of 2026-07-28 may ask an older client for input during one request'
  },
  'input-timeout': {
    shape: 'value',
    kind: time,
    default: limits.inputTimeout,
    sets: 'inputTimeout',
    help: 'how long a client of 2026-07-28 may take to answer the questions of an older server; then the call is cancelled'
  },
  'max-connections': {
    shape: 'value',
    kind: count,
    default: limits.maxConnections,
    sets: 'maxConnections',
    help: 'how many connections to an older server the clients of 2026-07-28 may use at a time; for a command, each is a process'
  },
  'max-group-connections': {
    shape: 'value',
    kind: count,
    default: limits.maxGroupConnections,
    sets: 'maxGroupConnections',
    help: 'the same for the clients of 2026-07-28 that have the same name and capabilities'
  },
  'login-timeout': {
    shape: 'value',
    kind: time,
    default: limits.loginTimeout,
    sets: 'loginTimeout',
    needs: 'url',
    help: 'how long a person may take to sign in with the browser, if a server asks for OAuth'
  }
} as const satisfies Flags

/** The limits that only server mode has. */
export const serverLimitFlags = {
  'max-body-memory': {
    shape: 'value',
    kind: size,
    default: limits.maxBodyMemory,
    sets: 'maxBodyMemory',
    needs: 'listener',
    help: 'the memory for the bodies of HTTP requests on all connections together; the next body waits'
  },
  'max-sessions': {
    shape: 'value',
    kind: count,
    default: limits.maxSessions,
    defaultText: `${limits.maxSessions}; ${maxOwnProcesses} if each session has its own process`,
    sets: 'maxSessions',
    needs: 'listener',
    help: 'how many sessions may be open at a time, with the processes of closed sessions that have not exited; a client that wants one more gets 503 with `Retry-After`'
  },
  'max-caller-sessions': {
    shape: 'value',
    kind: count,
    defaultText:
      'a tenth of `--max-sessions`, at least 4, if more than one caller asks for sessions',
    sets: 'maxCallerSessions',
    needs: 'listener',
    help: 'how many sessions a caller may have open: a name of `--auth-token-file`, or an address without tokens (for IPv6, its first 64 bits); one more gets 429'
  },
  'max-caller-rate': {
    shape: 'value',
    kind: count,
    default: limits.maxCallerRate,
    defaultText: 'no limit',
    sets: 'maxCallerRate',
    needs: 'listener',
    help: 'how many requests a second a caller may send over HTTP; one more gets 429 with `Retry-After`'
  },
  'max-caller-burst': {
    shape: 'value',
    kind: count,
    default: limits.maxCallerBurst,
    sets: 'maxCallerBurst',
    needs: 'listener',
    help: 'how many requests a caller may send at once before `--max-caller-rate` counts'
  },
  'max-caller-calls': {
    shape: 'value',
    kind: count,
    default: limits.maxCallerCalls,
    sets: 'maxCallerCalls',
    needs: 'listener',
    help: 'how many requests of a caller may wait for their responses; one more gets 429'
  },
  'max-caller-connections': {
    shape: 'value',
    kind: count,
    default: limits.maxCallerConnections,
    sets: 'maxCallerConnections',
    needs: 'listener',
    help: 'how many connections of an address may be open; one more is closed at once; those of `--trust-proxy` have no limit'
  },
  'max-caller-bodies': {
    shape: 'value',
    kind: size,
    default: limits.maxCallerBodies,
    sets: 'maxCallerBodies',
    needs: 'listener',
    help: 'the part of `--max-body-memory` that a caller may use; its next body waits'
  },
  'max-callers': {
    shape: 'value',
    kind: count,
    default: limits.maxCallers,
    sets: 'maxCallers',
    needs: 'listener',
    help: 'how many callers the proxy keeps apart; all others share the limits of one'
  },
  'session-timeout': {
    shape: 'value',
    kind: time,
    default: limits.sessionTimeout,
    sets: 'sessionTimeout',
    needs: 'listener',
    help: 'a session ends after this time without a request or a connection of its client'
  },
  'detached-timeout': {
    shape: 'value',
    kind: time,
    default: limits.detachedTimeout,
    sets: 'detachedTimeout',
    needs: 'listener',
    help: 'a session ends after this time without its client if the client has closed its event stream, or has not waited for a response; so does an idle connection of 2026-07-28 clients to an older server'
  },
  'idle-timeout': {
    shape: 'value',
    kind: time,
    default: limits.idleTimeout,
    sets: 'idleTimeout',
    needs: 'listener',
    help: 'an HTTP connection is closed if it has no request, or no more of the body of its request comes, for this time'
  },
  'keep-alive': {
    shape: 'value',
    kind: time,
    default: limits.keepAlive,
    sets: 'keepAlive',
    needs: 'listener',
    help: 'the time between two comments on a silent event stream, which keep reverse proxies from closing it'
  },
  'max-replay': {
    shape: 'value',
    kind: size,
    default: limits.maxReplay,
    sets: 'maxReplay',
    needs: 'listener',
    help: 'how much a session keeps for a client that lost its connection'
  },
  'max-queue': {
    shape: 'value',
    kind: size,
    default: limits.maxQueue,
    sets: 'maxQueue',
    needs: 'listener',
    help: 'how much may wait for a client of a shared server that does not read; then the proxy disconnects the client'
  },
  'probe-timeout': {
    shape: 'value',
    kind: time,
    default: limits.probeTimeout,
    sets: 'probeTimeout',
    needs: 'process',
    help: 'how long a process that reads its input may take to answer `server/discover`; after that it counts as legacy'
  },
  'stream-after': {
    shape: 'value',
    kind: time,
    default: limits.streamAfter,
    sets: 'streamAfter',
    needs: 'listener',
    help: 'a POST that waits longer for its response gets an event stream instead of JSON'
  },
  'max-tokens': {
    shape: 'value',
    kind: count,
    default: limits.maxTokens,
    sets: 'maxTokens',
    needs: 'listener',
    help: 'how many tokens that were checked the proxy remembers; any other token is checked again'
  },
  'clock-skew': {
    shape: 'value',
    kind: time,
    default: limits.clockSkew,
    sets: 'clockSkew',
    needs: 'listener',
    help: 'by how much the clock of a `--auth-issuer` may differ, 10m at most: a token counts for this time longer'
  },
  'key-age': {
    shape: 'value',
    kind: time,
    default: limits.keyAge,
    sets: 'keyAge',
    needs: 'listener',
    help: 'after this time the keys of a `--auth-issuer` are fetched again; if it is away, the known keys count for the same time once more'
  },
  'introspection-age': {
    shape: 'value',
    kind: time,
    default: limits.introspectionAge,
    sets: 'introspectionAge',
    needs: 'listener',
    help: 'after this time `--auth-introspection` is asked again whether a token is valid; if it is away, the last answer counts for the same time once more'
  },
  'max-introspections': {
    shape: 'value',
    kind: count,
    default: limits.maxIntrospections,
    sets: 'maxIntrospections',
    needs: 'listener',
    help: 'how many requests to `--auth-introspection` may run at a time; the next token waits, for `--connect-timeout` at most, and then gets 503'
  },
  retry: {
    shape: 'value',
    kind: time,
    default: limits.retry,
    sets: 'retry',
    needs: 'listener',
    help: 'how long the proxy asks clients to wait before they reconnect to an event stream'
  },
  restarts: {
    shape: 'value',
    kind: count,
    default: limits.restarts,
    sets: 'restarts',
    needs: 'process',
    help: 'how many times a minute the proxy may restart a process that exits; after that the session of the client ends'
  }
} as const satisfies Flags
