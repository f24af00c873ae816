// Writes down every frame that passes between a client and a server, as one JSON object a line. A
// recording can be played again, as either end.

import { open } from 'node:fs/promises'
import { Transform } from 'node:stream'
import { finished } from 'node:stream/promises'
import { ProxyError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'

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
 * @throws ProxyError `ERR_CONFIG` when the file cannot be opened; the taps, and `close`, when it
 * cannot be written
 */
export async function record(file: string): Promise<Recorder> {
  const fault = (cause: unknown): ProxyError =>
    new ProxyError('ERR_CONFIG', `cannot write the recording to ${file}`, { cause })
  const handle = await open(file, 'a').catch((cause: unknown) => {
    throw fault(cause)
  })
  const output = handle.createWriteStream()
  output.on('error', () => {}) // those who write are told
  const tapOf = (from: RecordedFrame['from'], session: string): Transform =>
    new Transform({
      objectMode: true,
      transform(frame: Frame, _encoding, callback) {
        const time = new Date().toISOString()
        const line: RecordedFrame = { time, from, session, frame: frame.toString() }
        // The recording sets the pace: what was not written down has not passed.
        output.write(`${JSON.stringify(line)}\n`, (error) => {
          if (error) callback(fault(output.errored ?? error))
          else callback(null, frame)
        })
      }
    })
  return {
    tap: (session) => ({
      fromClient: tapOf('client', session),
      fromServer: tapOf('server', session)
    }),
    close: async () => {
      await finished(output.end()).catch((error: unknown) => {
        throw fault(error)
      })
    }
  }
}
