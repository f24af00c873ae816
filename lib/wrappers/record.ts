// Records every frame between clients and servers in a file, as one JSON object a line. The player
// in `fixtures/` can replay the client's frames or the server's frames of a recording.

import { open } from 'node:fs/promises'
import { Transform } from 'node:stream'
import { finished } from 'node:stream/promises'
import { ProxyError } from '../errors.ts'
import type { Frame } from '../message/frame.ts'

/** A line of a recording. */
export interface RecordedFrame {
  /** The time when the frame passed, in ISO 8601 and UTC. */
  time: string
  /** Which side sent the frame. */
  from: 'client' | 'server'
  /** The name of the frame's session. Each session of a recording has a different name. */
  session: string
  /** The text of the frame, byte for byte. */
  frame: string
}

/**
 * Two streams that record what passes through them. They stand between a client and a server, as in
 * `pipeline(client, fromClient, server, fromServer, client)`.
 */
export interface Tap {
  fromClient: Transform
  fromServer: Transform
}

export interface Recorder {
  /** Makes the streams that record one session. */
  tap(session: string): Tap
  /** Ends the recording. Resolves when the whole recording is in the file. */
  close(): Promise<void>
}

/**
 * Records to a file. If the file exists, the lines are appended to it.
 *
 * @throws ProxyError `ERR_CONFIG` when the file cannot be opened. The taps and `close` fail with
 * the same code when the file cannot be written
 */
export async function record(file: string): Promise<Recorder> {
  const writeError = (cause: unknown): ProxyError =>
    new ProxyError('ERR_CONFIG', `cannot write the recording to ${file}`, { cause })
  const handle = await open(file, 'a').catch((cause: unknown) => {
    throw writeError(cause)
  })
  const output = handle.createWriteStream()
  output.on('error', () => {}) // each write and `close` report this error
  const tapOf = (from: RecordedFrame['from'], session: string): Transform =>
    new Transform({
      objectMode: true,
      transform(frame: Frame, _encoding, callback) {
        const time = new Date().toISOString()
        const line: RecordedFrame = { time, from, session, frame: frame.toString() }
        // The frame passes only after its line is written, so the recording misses no frame.
        output.write(`${JSON.stringify(line)}\n`, (error) => {
          if (error) callback(writeError(output.errored ?? error))
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
        throw writeError(error)
      })
    }
  }
}
