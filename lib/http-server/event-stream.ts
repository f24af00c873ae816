// The sending side of an event stream: an HTTP response that stays open and carries frames as events.
// Events that are sent in one turn of the event loop go out with one write. A comment now and then
// keeps a silent stream open through the reverse proxies on its way.

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { encodeEvent } from '../framing/sse.ts'
import type { Frame } from '../message/frame.ts'

/** Sends frames to a client as events. */
export interface EventSink {
  /** Whether there is an open connection. */
  readonly connected: boolean
  /** `callback` is called when the client can take more, or has gone. */
  send(frame: Frame, callback?: () => void): void
  /** No more frames will be sent. */
  end(): void
}

/** Events are written at once when they are this large together, in bytes. */
const writeSize = 16 * 1024

export class EventStream implements EventSink {
  readonly #response: ServerResponse
  /** Events that have not been written yet. */
  #unwritten: Buffer[] = []
  #size = 0
  readonly #timer: NodeJS.Timeout | undefined

  /**
   * Sends the headers at once, since the client waits for them.
   *
   * @param keepAlive milliseconds of silence before a comment is sent (0: never)
   */
  constructor(response: ServerResponse, keepAlive: number, headers: OutgoingHttpHeaders = {}) {
    this.#response = response
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      // Otherwise nginx holds events back until its buffer is full.
      'x-accel-buffering': 'no',
      ...headers
    })
    response.flushHeaders()
    if (keepAlive === 0) return
    this.#timer = setInterval(() => {
      // A client that does not read has enough to read.
      if (!response.writableNeedDrain) response.write(':\n\n')
    }, keepAlive)
    response.once('close', () => clearInterval(this.#timer))
  }

  get connected(): boolean {
    return !this.#response.destroyed && !this.#response.writableEnded
  }

  send(frame: Frame, callback?: () => void): void {
    this.write(encodeEvent(frame), callback)
  }

  /** Sends encoded events. */
  write(events: Buffer, callback?: () => void): void {
    if (!this.connected) return callback?.()
    this.#timer?.refresh()
    this.#size += events.length
    const isFirst = this.#unwritten.push(events) === 1
    if (this.#size >= writeSize) this.#flush()
    else if (isFirst) process.nextTick(this.#flush)
    if (callback !== undefined) whenWritable(this.#response, callback)
  }

  end(): void {
    clearInterval(this.#timer)
    this.#flush()
    this.#response.end()
  }

  readonly #flush = (): void => {
    const [only, ...others] = this.#unwritten
    if (only === undefined) return
    const events = others.length === 0 ? only : Buffer.concat(this.#unwritten, this.#size)
    this.#unwritten = []
    this.#size = 0
    if (this.connected) this.#response.write(events)
  }

  /**
   * Ends the stream because the client has opened another in its place. A client that does not read
   * this one has probably lost it, so the connection is closed.
   */
  giveWay(): void {
    if (this.#response.writableNeedDrain) this.#response.destroy()
    else this.end()
  }
}

/** Calls back when a response can take more, or has closed. After its end, its connection counts. */
export function whenWritable(response: ServerResponse, callback: () => void): void {
  const { socket } = response
  if (!response.writableNeedDrain && !socket?.writableNeedDrain) return callback()
  // Node 26 emits `drain` sometimes on the response alone, sometimes on its connection alone, and
  // sometimes on the one while it emits it on the other.
  let waiting = true
  const goOn = (): void => {
    if (!waiting) return
    waiting = false
    response.off('drain', goOn).off('close', goOn)
    socket?.off('drain', goOn)
    callback()
  }
  response.on('drain', goOn).on('close', goOn)
  socket?.on('drain', goOn)
}
