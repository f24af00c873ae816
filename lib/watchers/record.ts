// The recording: a file with a line of JSON for each message between clients and servers. The player in
// `fixtures/` can replay the client's frames or the server's frames of a recording.
//
// It subscribes to the facts of the whole process (see streams/facts.ts), so it changes no path of the
// messages. A line waits in memory until it is written. If the disk is full or too slow, the recording
// stops with an error in the log, and messages still pass.

import { describe, internalError } from '../errors.ts'
import { LineFile, timestamp } from '../line-file.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import type { MessageFact } from '../streams/facts.ts'
import { subscribeTo } from './subscriptions.ts'

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

export interface Recorder {
  /** How many bytes wait until they are written. */
  readonly waiting: number
  /** Opens the file again by its name: a program that rotates files has renamed the old one. */
  reopen(): Promise<void>
  /** Ends the recording. Resolves when the whole recording is in the file. */
  close(): Promise<void>
}

export interface RecordOptions {
  /** Gets an error when the file cannot be written. Default: nothing is logged. */
  log?: Log | undefined
}

/** How many bytes may wait for the disk before the next line. A line may have a whole message more. */
const maxWaiting = 64 * 1024 * 1024

/**
 * Records all messages from and to the clients of this process to a file, which only its owner can read.
 * If the file exists, the lines are appended to it. A symbolic link is not followed.
 *
 * @throws ProxyError `ERR_CONFIG` when the file cannot be opened
 */
export async function record(
  file: string,
  { log = silent }: RecordOptions = {}
): Promise<Recorder> {
  return new FileRecorder(await LineFile.open(file, { what: 'recording', log, maxWaiting }), log)
}

class FileRecorder implements Recorder {
  readonly #file: LineFile
  readonly #unsubscribe: () => void

  constructor(file: LineFile, log: Log) {
    this.#file = file
    // A text may be too long for a string.
    this.#unsubscribe = subscribeTo({ message: (fact) => this.#onMessage(fact) }, (cause) => {
      log.error(`a message is not recorded: ${describe(internalError(cause))}`)
    })
  }

  get waiting(): number {
    return this.#file.waiting
  }

  reopen(): Promise<void> {
    return this.#file.reopen()
  }

  close(): Promise<void> {
    this.#unsubscribe()
    return this.#file.close()
  }

  #onMessage({ client: { session }, from, frame }: MessageFact): void {
    if (!this.#file.isWritable) return
    const line: RecordedFrame = { time: timestamp(), from, session, frame: frame.toString() }
    this.#file.write(JSON.stringify(line))
  }
}
