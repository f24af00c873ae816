// The traffic page: shows the messages of this process, or those of a recording, in a browser. It
// subscribes to the facts (see streams/facts.ts), so it changes no path of the messages.

import { readFile } from 'node:fs/promises'
import { describe, internalError, ProxyError } from '../errors.ts'
import type { Log } from '../log.ts'
import { version } from '../version.ts'
import { subscribeTo } from '../watchers/subscriptions.ts'
import type { Hello } from './entries.ts'
import { pageFile } from './page-file.ts'
import { PageServer } from './page-server.ts'
import { readRecording } from './read-recording.ts'
import { Traffic } from './traffic.ts'

export interface InspectOptions {
  host: string
  /** 0 is any free port. */
  port: number
  /** How much memory the messages that the page can show may take, in bytes (0: no limit). */
  memory: number
  log: Log
  /** Where the page is, for tests. */
  file?: string | undefined
}

export interface LiveOptions extends InspectOptions {
  /** Returns the URL of each server, and whether its clients need a token. Called for each page. */
  endpoints: () => Pick<Hello, 'urls' | 'needsToken'>
}

export interface Inspector {
  /** Opens the page in one browser. */
  readonly url: string
  close(): Promise<void>
}

/**
 * Shows the traffic of this process.
 *
 * @throws ProxyError `ERR_LISTEN` if the address cannot be used
 */
export async function inspect({ endpoints, ...options }: LiveOptions): Promise<Inspector> {
  const traffic = new Traffic(options.memory)
  const server = await listen(options, traffic, () => ({ version, ...endpoints() }))
  const unsubscribe = subscribeTo(
    {
      session: (fact) => traffic.onSession(fact),
      message: (fact) => traffic.onMessage(fact.client, fact),
      refusal: (fact) => traffic.onRefusal(fact),
      process: (fact) => traffic.onProcess(fact)
    },
    (cause) => options.log.error(`not on the traffic page: ${describe(internalError(cause))}`)
  )
  return {
    get url() {
      return server.url
    },
    close() {
      unsubscribe()
      return server.close()
    }
  }
}

/**
 * Shows a recording.
 *
 * @throws ProxyError `ERR_CONFIG` if the file cannot be read, or is not a recording
 */
export async function inspectRecording(
  recording: string,
  options: InspectOptions
): Promise<Inspector> {
  const traffic = new Traffic(options.memory)
  const { read, invalid } = await readRecording(recording, traffic)
  if (read === 0) {
    throw new ProxyError('ERR_CONFIG', `${recording} has no line of a recording`)
  }
  if (invalid > 0) options.log.warn(`${recording}: lines that are not of a recording: ${invalid}`)
  return listen(options, traffic, () => ({ version, file: recording, urls: {}, needsToken: false }))
}

async function listen(
  { host, port, log, file = pageFile }: InspectOptions,
  traffic: Traffic,
  hello: () => Hello
): Promise<PageServer> {
  const page = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new ProxyError('ERR_CONFIG', `cannot read the traffic page ${file}`, { cause })
  })
  return PageServer.listen({ host, port, traffic, page, hello, log })
}
