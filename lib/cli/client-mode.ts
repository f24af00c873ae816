// Runs client mode: joins the client at stdin and stdout, which started this command, to the server
// at a URL.
//
// The end of stdin, a signal, and the end of the parent process all end it. Requests in flight have
// --drain-timeout to get their responses; then they get an error. The session at the server ends too.

import type { ClientConfig } from '../config/config.ts'
import { isAbort, ProxyError } from '../errors.ts'
import type { Log } from '../log.ts'
import { join } from '../proxy/join.ts'
import { urlConnector } from '../proxy/url-connector.ts'
import { acceptStdio } from '../stdio/accept-stdio.ts'
import type { StdioTransport } from '../stdio/accept-stdio.ts'
import { reconnect } from '../wrappers/reconnect.ts'
import type { ReconnectTransport } from '../wrappers/reconnect.ts'
import { onHangup, openRecorder } from './recorder.ts'
import { onStop } from './signals.ts'

/** Resolves when the client has ended and each of its requests has a response. */
export async function runClient(config: ClientConfig, log: Log): Promise<void> {
  const recorder = await openRecorder(config.record, log)
  const connect = await urlConnector(config.server, config, log)
  const client = acceptStdio({ ...config.limits, log })
  const server = reconnect(connect, { ...config.limits, log, remote: true, failsAtStart: true })
  const release = endInTime(client, server, config, onHangup(recorder))
  try {
    await join(client, server, recorder?.tap('stdio'))
  } catch (error) {
    // An abort is no failure: the reader of stdout exited, as `head` does, or did not read in time.
    if (!isAbort(error)) throw error
  } finally {
    release()
    await recorder?.close()
  }
}

/** How often to look whether the parent process has gone, in ms. */
const parentInterval = 1000

/**
 * Ends the two transports in time.
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
    // A client that was told to stop and does not read must not keep the process.
    if (stopped) after(closeTimeout, () => client.destroy())
  }
  const timeUp = (): void => {
    // The response may wait behind others that a pipe's reader takes slowly.
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
    // A host closes stdin first, sends SIGTERM two seconds later, and soon SIGKILL.
    const isSecond = again || ended
    stop()
    if (isSecond) expire('the proxy was stopped before the response came')
  }, onHangup)
  // Nothing is open any more that a response could come on.
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
