// Runs client mode: joins the client at stdin and stdout, which started this command, to the server
// at a URL.

import type { ClientConfig } from '../config/config.ts'
import { isAbort } from '../errors.ts'
import type { Log } from '../log.ts'
import { join } from '../proxy/join.ts'
import { urlConnector } from '../proxy/url-connector.ts'
import { acceptStdio } from '../stdio/accept-stdio.ts'
import { reconnect } from '../wrappers/reconnect.ts'
import { openRecorder } from './recorder.ts'
import { onStop } from './signals.ts'

/** Resolves when the client has ended its input and has received a response to each request. */
export async function runClient(config: ClientConfig, log: Log): Promise<void> {
  const { drainTimeout } = config.limits
  const recorder = await openRecorder(config.record)
  const connect = await urlConnector(config.server, config, log)
  const client = acceptStdio({ ...config.limits, log })
  const server = reconnect(connect, { ...config.limits, log, remote: true, failsAtStart: true })
  const release = onStop((again) => {
    if (again) server.destroy()
    // A stop signal acts like the end of the input: the proxy reads no more requests. The requests
    // that the server works on may still get a response, for drainTimeout ms.
    client.endInput()
    if (drainTimeout > 0) setTimeout(() => server.destroy(), drainTimeout).unref()
  })
  try {
    await join(client, server, recorder?.tap('stdio'))
  } catch (error) {
    // An abort is no failure: the reader of stdout exited, as `head` does, or drainTimeout passed.
    if (!isAbort(error)) throw error
  } finally {
    release()
    await recorder?.close()
  }
}
