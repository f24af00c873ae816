// Records every frame between clients and servers in a file, as one JSON object a line. The player
// in `fixtures/` can replay the client's frames or the server's frames of a recording.
//
// When the proxy cannot write the file, for example on a full disk, it logs an error and stops the
// recording. The frames still pass.

import { constants } from 'node:fs'
import type { WriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { Transform } from 'node:stream'
import { finished } from 'node:stream/promises'
import { describe, internalError, ProxyError } from '../errors.ts'
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
  return new FileRecorder(file, log, await openFile(file))
}

class FileRecorder implements Recorder {
  readonly #file: string
  readonly #log: Log
  /** Undefined when the recording has stopped. */
  #output: WriteStream | undefined
  #closed = false

  constructor(file: string, log: Log, output: WriteStream) {
    this.#file = file
    this.#log = log
    this.#use(output)
  }

  tap(session: string): Tap {
    return {
      fromClient: this.#tapOf('client', session),
      fromServer: this.#tapOf('server', session)
    }
  }

  async reopen(): Promise<void> {
    try {
      const output = await openFile(this.#file)
      if (this.#closed) return void output.destroy()
      this.#output?.end()
      this.#use(output)
    } catch (error) {
      this.#log.error(describe(error))
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const output = this.#output
    if (output === undefined) return
    await finished(output.end()).catch(() => {}) // `#stop` reports the error
    this.#output = undefined
  }

  #use(output: WriteStream): void {
    this.#output = output.on('error', (error) => this.#stop(output, error))
  }

  /** Each write that is under way fails too. Only the first failure is reported. */
  #stop(output: WriteStream, cause: unknown): void {
    if (this.#output !== output) return
    this.#output = undefined
    this.#log.error(`${describe(writeError(this.#file, cause))}; the recording stops`)
  }

  #tapOf(from: RecordedFrame['from'], session: string): Transform {
    return new Transform({
      objectMode: true,
      transform: (frame: Frame, _encoding, callback) => {
        const output = this.#output
        if (output === undefined) return callback(null, frame)
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
        output.write(`${text}\n`, () => callback(null, frame))
      }
    })
  }
}

// Windows has no O_NOFOLLOW. The constant is then undefined, which `|` treats as 0.
const flags = constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | constants.O_NOFOLLOW

async function openFile(file: string): Promise<WriteStream> {
  try {
    const handle = await open(file, flags, 0o600)
    // Other users may be able to read a file that exists. The mode of a device must not change.
    if ((await handle.stat()).isFile()) await handle.chmod(0o600)
    return handle.createWriteStream()
  } catch (cause) {
    throw writeError(file, cause)
  }
}

const writeError = (file: string, cause: unknown): ProxyError =>
  new ProxyError('ERR_CONFIG', `cannot write the recording to ${file}`, { cause })
