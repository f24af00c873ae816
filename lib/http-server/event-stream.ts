// The serving side of an event stream: an HTTP response that stays open, and is kept open through
// whatever lies between us and the client.

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { encodeEvent } from '../framing/sse.ts'
import type { Frame } from '../message/frame.ts'

/** Takes frames for a client as events. */
export interface EventSink {
  /** Somebody is there to get what is sent. */
  readonly connected: boolean
  /** `callback` is called when the client can take more, or will never. */
  send(frame: Frame, callback?: () => void): void
  /** All that belongs on this stream has been sent. */
  end(): void
}

/** Up to here, in bytes, events that are sent in one go make one write. */
const enough = 16 * 1024

export class EventStream implements EventSink {
  readonly #response: ServerResponse
  /** What has been sent since the event loop came by. */
  #gathered: Buffer[] = []
  #size = 0
  readonly #timer: NodeJS.Timeout | undefined

  /**
   * Sends the headers at once: a client waits for them, not for the first event.
   *
   * @param keepAlive milliseconds of silence before a comment is sent (0: none)
   */
  constructor(response: ServerResponse, keepAlive: number, headers: OutgoingHttpHeaders = {}) {
    this.#response = response
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      // nginx would gather the events until its buffer is full.
      'x-accel-buffering': 'no',
      ...headers
    })
    response.flushHeaders()
    if (keepAlive === 0) return
    this.#timer = setInterval(() => {
      // To one who does not read, a comment would only be more to read.
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

  /** Writes events that are encoded already. */
  write(events: Buffer, callback?: () => void): void {
    if (!this.connected) return callback?.()
    this.#timer?.refresh()
    this.#size += events.length
    const isFirst = this.#gathered.push(events) === 1
    if (this.#size >= enough) this.#flush()
    else if (isFirst) process.nextTick(this.#flush)
    if (callback !== undefined) whenWritable(this.#response, callback)
  }

  end(): void {
    clearInterval(this.#timer)
    this.#flush()
    this.#response.end()
  }

  readonly #flush = (): void => {
    const [only, ...others] = this.#gathered
    if (only === undefined) return
    const events = others.length === 0 ? only : Buffer.concat(this.#gathered, this.#size)
    this.#gathered = []
    this.#size = 0
    if (this.connected) this.#response.write(events)
  }

  /** Ends for a client that has another connection now. What it does not read it has perhaps lost. */
  giveWay(): void {
    if (this.#response.writableNeedDrain) this.#response.destroy()
    else this.end()
  }
}

/** Calls back when the response, or its connection if it has ended, can take more, or will never. */
export function whenWritable(response: ServerResponse, callback: () => void): void {
  const { socket } = response
  if (!response.writableNeedDrain && !socket?.writableNeedDrain) return callback()
  // Node 26 tells of some waits only on the response, and of some only on its connection. What it
  // tells on both comes twice, since the one is told while the other is.
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
