// Runs client mode: joins the client at stdin and stdout, which started this command, to the server
// at a URL.
//
// Client mode ends after the end of stdin, after a signal, and when the parent process has exited.
// It waits up to --drain-timeout for the responses to pending requests. Requests without a response
// then get an error. At last the proxy ends the session at the server.

import { finished } from 'node:stream/promises'
import type { ClientConfig } from '../config/config.ts'
import { isAbort, ProxyError } from '../errors.ts'
import type { LineFile } from '../line-file.ts'
import type { Log } from '../log.ts'
import { connectForOne } from '../proxy/connect-for-one.ts'
import { join } from '../proxy/join.ts'
import { urlConnector } from '../proxy/url-connector.ts'
import { acceptStdio } from '../stdio/accept-stdio.ts'
import type { StdioTransport } from '../stdio/accept-stdio.ts'
import { filter } from '../wrappers/filter.ts'
import type { ReconnectTransport } from '../wrappers/reconnect.ts'
import { onHangup, onStop } from './signals.ts'
import { openWatchers } from './watchers/open-watchers.ts'
import type { Watchers } from './watchers/open-watchers.ts'

/** Resolves when the client has ended and each of its requests has a response. */
export async function runClient(config: ClientConfig, log: Log, logFile?: LineFile): Promise<void> {
  const { url } = config.server
  const watchers = await openWatchers(config, {
    side: 'client',
    url,
    // The query may have a secret.
    endpoints: () => ({
      urls: { '': `${url.origin}${url.pathname}` },
      needsToken: config.credentials !== undefined
    }),
    log,
    logFile
  })
  try {
    await joinToServer(config, watchers, log)
  } finally {
    await watchers.close()
  }
}

async function joinToServer(
  config: ClientConfig,
  { trace, files }: Watchers,
  log: Log
): Promise<void> {
  const connect = await urlConnector(config.server, config, log)
  const client = acceptStdio({ ...config.limits, trace, log })
  const { era = config.era, translate = config.translate } = config.server
  const server = connectForOne(connect, { ...config.limits, era, translate, log, remote: true })
  const release = endInTime(client, server, config, onHangup(...files))
  try {
    await join(client, filter({ ...config.filter, log })(server))
  } catch (error) {
    // An abort is no failure. The reader of stdout has exited, as `head` does, or it read too
    // slowly.
    if (!isAbort(error)) throw error
  } finally {
    release()
    // The last fact is the end of the client. `join` has ended or destroyed it already.
    await finished(client).catch(() => {})
  }
}

/** The time between two checks whether the parent process still runs, in ms. */
const parentInterval = 1000

/**
 * Ends client mode in time: listens for the end of stdin, for signals and for the exit of the
 * parent.
 *
 * @returns a function that removes all listeners and timers
 */
function endInTime(
  client: StdioTransport,
  server: ReconnectTransport,
  { limits: { drainTimeout, closeTimeout } }: ClientConfig,
  onHangup: (() => void) | undefined
): () => void {
  let ended = false
  let stopped = false
  const timers = new Set<NodeJS.Timeout>()
  const after = (time: number, action: () => void): void => {
    if (time > 0) timers.add(setTimeout(action, time).unref())
  }
  const expire = (message: string): void => {
    server.expire(new ProxyError('ERR_TIMEOUT', message))
    // After a signal the proxy must exit, even if the client does not read its output.
    if (stopped) after(closeTimeout, () => client.destroy())
  }
  const timeUp = (): void => {
    // If the client reads slowly, the response may wait in the output. So the time starts again.
    if (!stopped && client.writableLength > 0) after(drainTimeout, timeUp)
    else expire('no response came in time after the client had ended (see --drain-timeout)')
  }
  const onEnd = (): void => {
    if (ended) return
    ended = true
    after(drainTimeout, timeUp)
  }
  const stop = (): void => {
    stopped = true
    client.endInput()
    onEnd()
  }
  const releaseSignals = onStop((again) => {
    // MCP hosts close stdin, send SIGTERM two seconds later, and SIGKILL soon after that. So a
    // SIGTERM after the end of stdin does not wait.
    const isSecond = again || ended
    stop()
    if (isSecond) expire('the proxy was stopped before the response came')
  }, onHangup)
  // Node emits `beforeExit` when nothing is open any more, so no response can come.
  const beforeExit = (): void => expire('the server accepted the request and sent no response')
  const { ppid } = process
  const parentTimer = setInterval(() => {
    if (process.ppid !== ppid) stop()
  }, parentInterval).unref()
  client.once('end', onEnd)
  process.once('beforeExit', beforeExit)
  return () => {
    releaseSignals()
    process.off('beforeExit', beforeExit)
    clearInterval(parentTimer)
    for (const timer of timers) clearTimeout(timer)
  }
}
