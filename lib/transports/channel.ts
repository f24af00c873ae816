// Event streams that outlive their connections (2025-11-25, Transports, Resumability). Each stream of
// a session is a channel; what is sent on it is numbered and kept for a while, so that a client that
// lost the connection, or has not opened one yet, gets what it missed, from that channel and no other.

import type { Frame, Id } from '../frame.ts'
import { errorFrame } from '../frame.ts'
import { ProxyError } from '../errors.ts'
import { encodeEvent } from '../framing/sse.ts'
import type { Log } from '../log.ts'
import type { EventSink, EventStream } from './event-stream.ts'

interface Event {
  channel: Channel
  number: number
  /** Encoded, with its id. */
  bytes: Buffer
  /** The request that it answers, if it is a response. */
  answers: Id | undefined
}

export class Channel implements EventSink {
  readonly number: number
  readonly #store: ReplayStore
  #connection: EventStream | undefined
  #last = 0
  /** The last event that was written to a connection. */
  #delivered = 0
  #ended = false

  constructor(number: number, store: ReplayStore) {
    this.number = number
    this.#store = store
  }

  get connected(): boolean {
    return this.#connection !== undefined && !this.#connection.closed
  }

  /** All has been sent, though perhaps not received. */
  get ended(): boolean {
    return this.#ended
  }

  /** The id of the last event there was, for a client to come back with. */
  get lastId(): string {
    return `${this.number}-${this.#last}`
  }

  send(frame: Frame, callback: () => void): void {
    const number = ++this.#last
    const bytes = encodeEvent(frame, this.lastId)
    const answers = frame.kind === 'response' ? frame.id : undefined
    this.#store.add({ channel: this, number, bytes, answers })
    if (!this.connected) return callback()
    this.#delivered = number
    this.#connection?.write(bytes, callback)
  }

  end(): void {
    this.#ended = true
    this.#connection?.end()
  }

  /** Whether an event still waits for its first connection. */
  waits(number: number): boolean {
    return number > this.#delivered
  }

  /**
   * Goes on over a new connection, in the place of the one there may be.
   *
   * @param after the number of the last event that the client has; default: the last one written
   */
  attach(connection: EventStream, after = this.#delivered): void {
    this.#connection?.end()
    this.#connection = connection
    for (const { bytes } of this.#store.after(this, after)) connection.write(bytes, noop)
    this.#delivered = this.#last
    if (this.#ended) connection.end()
  }

  /** Lets the connection go; the channel waits for the next one. */
  detach(): void {
    this.#connection?.end()
    this.#connection = undefined
  }
}

/** The events of a session's channels, the newest of them, up to a number of bytes. */
export class ReplayStore {
  readonly #maxSize: number
  readonly #log: Log
  readonly #channels = new Map<number, Channel>()
  #events: Event[] = []
  #size = 0
  #next = 0

  /** @param maxSize in bytes (0: any) */
  constructor(maxSize: number, log: Log) {
    this.#maxSize = maxSize || Infinity
    this.#log = log
  }

  createChannel(): Channel {
    const channel = new Channel(this.#next++, this)
    this.#channels.set(channel.number, channel)
    return channel
  }

  /** Finds what a `Last-Event-ID` speaks of. */
  find(lastEventId: string): { channel: Channel; number: number } | undefined {
    const [, channelNumber, number] = /^(\d+)-(\d+)$/.exec(lastEventId) ?? []
    const channel = this.#channels.get(Number(channelNumber))
    return channel && { channel, number: Number(number) }
  }

  add(event: Event): void {
    this.#events.push(event)
    this.#size += event.bytes.length
    // The newest is kept whatever its size: it may be the one answer that a client waits for.
    let dropped = 0
    while (this.#size > this.#maxSize && dropped < this.#events.length - 1) {
      this.#drop(this.#events[dropped++] as Event)
    }
    if (dropped === 0) return
    this.#events.splice(0, dropped, ...this.#substitutes.splice(0))
    this.#forgetChannels()
  }

  *after(channel: Channel, number: number): Iterable<Event> {
    for (const event of this.#events) {
      if (event.channel === channel && event.number > number) yield event
    }
  }

  readonly #substitutes: Event[] = []

  #drop(event: Event): void {
    this.#size -= event.bytes.length
    const { channel, number, answers } = event
    if (!channel.waits(number)) return
    this.#log.warn(`a message was dropped that no client came for (see --max-replay)`)
    if (answers === undefined) return
    // Whoever comes for the answer must not wait for ever.
    const error = new ProxyError('ERR_CLOSED', 'the answer came, and was not fetched in time')
    const bytes = encodeEvent(errorFrame(answers, error), `${channel.number}-${number}`)
    if (bytes.length >= event.bytes.length) return
    this.#substitutes.push({ ...event, bytes })
    this.#size += bytes.length
  }

  #forgetChannels(): void {
    const kept = new Set(this.#events.map((event) => event.channel))
    for (const [number, channel] of this.#channels) {
      if (channel.ended && !kept.has(channel)) this.#channels.delete(number)
    }
  }
}

const noop = (): void => {}
