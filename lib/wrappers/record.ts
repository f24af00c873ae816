// Records every frame between clients and servers in a file, as one JSON object a line. The player
// in `fixtures/` can replay the client's frames or the server's frames of a recording.
//
// When the proxy cannot write the file, for example on a full disk, it logs an error and stops the
// recording. The frames still pass.

import { Transform } from 'node:stream'
import { describe, internalError } from '../errors.ts'
import { LineFile } from '../line-file.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
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
  /** Opens the file again by its name: a program that rotates files has renamed the old one. */
  reopen(): Promise<void>
  /** Ends the recording. Resolves when the whole recording is in the file. */
  close(): Promise<void>
}

export interface RecordOptions {
  /** Gets an error when the file cannot be written. Default: nothing is logged. */
  log?: Log | undefined
}

/**
 * Records to a file, which only its owner can read. If the file exists, the lines are appended to
 * it. A symbolic link is not followed.
 *
 * @throws ProxyError `ERR_CONFIG` when the file cannot be opened
 */
export async function record(
  file: string,
  { log = silent }: RecordOptions = {}
): Promise<Recorder> {
  return new FileRecorder(await LineFile.open(file, { what: 'recording', log }), log)
}

class FileRecorder implements Recorder {
  readonly #file: LineFile
  readonly #log: Log

  constructor(file: LineFile, log: Log) {
    this.#file = file
    this.#log = log
  }

  tap(session: string): Tap {
    return {
      fromClient: this.#tapOf('client', session),
      fromServer: this.#tapOf('server', session)
    }
  }

  reopen(): Promise<void> {
    return this.#file.reopen()
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  #tapOf(from: RecordedFrame['from'], session: string): Transform {
    return new Transform({
      objectMode: true,
      transform: (frame: Frame, _encoding, callback) => {
        if (!this.#file.isWritable) return callback(null, frame)
        const time = new Date().toISOString()
        let text: string
        try {
          const line: RecordedFrame = { time, from, session, frame: frame.toString() }
          text = JSON.stringify(line)
        } catch (cause) {
          this.#log.error(`a frame is not recorded: ${describe(internalError(cause))}`)
          return callback(null, frame)
        }
        // The frame passes only after its line is written, so the recording misses no frame.
        this.#file.write(text, () => callback(null, frame))
      }
    })
  }
}
