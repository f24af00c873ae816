// Writes down every frame that passes between a client and a server, as one JSON object a line. A
// recording can be played again, as either end.

import { createWriteStream } from 'node:fs'
import type { Writable } from 'node:stream'
import { Transform } from 'node:stream'
import type { Frame } from '../frame.ts'
import { ProxyError } from '../errors.ts'

/** A line of a recording. */
export interface RecordedFrame {
  /** When it passed: ISO 8601, UTC. */
  time: string
  /** Who said it. */
  from: 'client' | 'server'
  /** Which session it belongs to: any name that no other session of the recording has. */
  session: string
  /** The frame's text, byte for byte. */
  frame: string
}

/**
 * Two streams to put between a client and a server:
 * `pipeline(client, fromClient, server, fromServer, client)`.
 */
export interface Tap {
  fromClient: Transform
  fromServer: Transform
}

export interface Recorder {
  /** Makes the streams that record one session. */
  tap(session: string): Tap
  /** Ends the recording, and resolves when all of it is written. */
  close(): Promise<void>
}

/**
 * Records to a file, which is added to if it exists.
 *
 * @throws ProxyError `ERR_CONFIG` from `close`, and from the taps, when the file cannot be written
 */
export function record(file: string): Recorder {
  const output = createWriteStream(file, { flags: 'a' })
  let failure: ProxyError | undefined
  output.on('error', (cause) => {
    failure = new ProxyError('ERR_CONFIG', `cannot write the recording to ${file}`, { cause })
  })
  return {
    tap: (session) => ({
      fromClient: tapOf('client', session, output, () => failure),
      fromServer: tapOf('server', session, output, () => failure)
    }),
    close: () =>
      new Promise((resolve, reject) => {
        output.once('close', () => (failure === undefined ? resolve() : reject(failure)))
        output.end()
      })
  }
}

function tapOf(
  from: RecordedFrame['from'],
  session: string,
  output: Writable,
  failure: () => ProxyError | undefined
): Transform {
  return new Transform({
    objectMode: true,
    transform(frame: Frame, _encoding, callback) {
      const error = failure()
      if (error !== undefined) return callback(error)
      const time = new Date().toISOString()
      const line: RecordedFrame = { time, from, session, frame: frame.toString() }
      // The recording sets the pace: what was not written down has not passed.
      output.write(`${JSON.stringify(line)}\n`, (cause) => callback(failure() ?? cause, frame))
    }
  })
}
