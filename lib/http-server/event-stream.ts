// The sending side of an event stream: an HTTP response that stays open and carries frames as
// events. All events of one turn of the event loop are written together. When the stream is silent,
// a comment is sent from time to time, so that no reverse proxy closes the connection.

import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { encodeEvent } from '../framing/sse.ts'
import type { Frame } from '../message/frame.ts'
import { keepAliveOf, SilentItem } from '../streams/keep-alive.ts'
import type { KeepAlive } from '../streams/keep-alive.ts'
import { onStreamOpen } from './auth/token-streams.ts'
import { writeHead } from './write-head.ts'

/** Sends frames to a client as events. */
export interface EventSink {
  /** Whether the connection to the client is open. */
  readonly connected: boolean
  /** Sends a frame. Calls `callback` when the client can take more, or when it has disconnected. */
  send(frame: Frame, callback?: () => void): void
  /** Ends the stream. No frames may be sent after this call. */
  end(): void
}

/** When the unwritten events reach this size in bytes, they are written without further delay. */
const writeSize = 16 * 1024

export class EventStream extends SilentItem implements EventSink {
  /** Undefined when it has closed: a session keeps its streams for longer, and not their sockets. */
  #response: ServerResponse | undefined
  /** Whether the response closed before the client had received all of it. */
  #closedEarly = false
  /** Events that have not been written yet. */
  #unwritten: Buffer[] = []
  #size = 0
  #keepAlive: KeepAlive | undefined

  /**
   * Sends the headers without waiting for the first event, because the client waits for the
   * headers.
   *
   * @param keepAlive a stream that is silent for this long gets a comment, in ms (0: never)
   */
  constructor(response: ServerResponse, keepAlive: number, headers: OutgoingHttpHeaders = {}) {
    super()
    this.#response = response
    writeHead(response, 200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      // Without this header, nginx delays events until its buffer is full.
      'x-accel-buffering': 'no',
      ...headers
    })
    response.flushHeaders()
    onStreamOpen(response)
    response.once('close', () => this.#responseOnClose(response))
    if (keepAlive === 0) return
    this.#keepAlive = keepAliveOf(keepAlive)
    this.#keepAlive.add(this)
  }

  override onSilence(): void {
    // If the client does not read, data still waits for it, so a comment is of no use.
    if (this.#response?.writableNeedDrain === false) this.#response.write(':\n\n')
  }

  #responseOnClose(response: ServerResponse): void {
    this.#keepAlive?.delete(this)
    this.#closedEarly = !response.writableFinished
    this.#response = undefined
  }

  get connected(): boolean {
    const response = this.#response
    return response !== undefined && !response.destroyed && !response.writableEnded
  }

  /** Whether the connection closed before the client had received the whole response. */
  get broken(): boolean {
    const response = this.#response
    if (response === undefined) return this.#closedEarly
    return response.destroyed && !response.writableFinished
  }

  send(frame: Frame, callback?: () => void): void {
    this.write(encodeEvent(frame), callback)
  }

  /** Sends events that are already encoded. Calls `callback` when the client can take more. */
  write(events: Buffer, callback?: () => void): void {
    if (!this.connected) return callback?.()
    this.silentBeats = 0
    this.#size += events.length
    const isFirst = this.#unwritten.push(events) === 1
    if (this.#size >= writeSize) this.#flush()
    else if (isFirst) process.nextTick(this.#flush)
    if (callback !== undefined) this.whenTaken(callback)
  }

  /** Calls `callback` when the client can take more, or has disconnected. */
  whenTaken(callback: () => void): void {
    if (this.#response === undefined) callback()
    else whenWritable(this.#response, callback)
  }

  end(): void {
    this.#keepAlive?.delete(this)
    this.#flush()
    this.#response?.end()
  }

  readonly #flush = (): void => {
    const [only, ...others] = this.#unwritten
    if (only === undefined) return
    const events = others.length === 0 ? only : Buffer.concat(this.#unwritten, this.#size)
    this.#unwritten = []
    this.#size = 0
    if (this.connected) this.#response?.write(events)
  }

  /**
   * Ends this stream because the client has opened a new one to replace it. If the client does not
   * read this stream, its connection is probably broken, so the connection is destroyed.
   */
  giveWay(): void {
    if (this.#response?.writableNeedDrain === true) this.#response.destroy()
    else this.end()
  }
}

/**
 * Calls `callback` when a response can take more data, or has closed. If `response.end()` was
 * called, the response's connection must be able to take more data.
 */
export function whenWritable(response: ServerResponse, callback: () => void): void {
  const { socket } = response
  if (!response.writableNeedDrain && !socket?.writableNeedDrain) return callback()
  // Node 26 emits `drain` sometimes only on the response, sometimes only on the connection, and
  // sometimes on both, one inside the other. So `waiting` makes sure that `callback` runs only
  // once.
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
