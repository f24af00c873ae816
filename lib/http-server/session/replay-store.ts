// Event streams that outlive their connections (2025-11-25, Transports, Resumability). A session
// has several `ResumableStream`s, and each stream numbers its events. The session's `ReplayStore`
// keeps the newest events of all streams, up to a size in memory. When a client connects to a stream
// again, or for the first time, it gets the events of this stream that it has missed.

import { ProxyError } from '../../errors.ts'
import { encodeEvent } from '../../framing/sse.ts'
import type { Log } from '../../log.ts'
import type { Envelope } from '../../message/envelope.ts'
import type { Frame } from '../../message/frame.ts'
import { refuse } from '../../message/refusal.ts'
import type { EventSink, EventStream } from '../event-stream.ts'

interface Event {
  readonly stream: ResumableStream
  readonly number: number
  readonly envelope: Envelope
  /** The encoded event, with its id. */
  readonly bytes: Buffer
  /** Whether the event was written to a connection. */
  written: boolean
}

/** How many streams that ended without an event a store remembers. */
const maxEmpty = 1000

/**
 * What an event needs beside the bytes of its frame, in bytes: its id, its objects and its share of the
 * heap. Without it, a store of small events would need several times its size.
 */
const overhead = 1024

const sizeOf = ({ bytes }: { bytes: Buffer }): number => bytes.length + overhead

export class ResumableStream implements EventSink {
  readonly number: number
  /** The events of this stream that the store keeps. The key is the number of the event. */
  readonly events = new Map<number, Event>()
  readonly #store: ReplayStore
  #connection: EventStream | undefined
  /** The number of the newest event. */
  #last = 0
  /** The number of the newest event that was written to a connection. */
  #written = 0
  #ended = false

  constructor(number: number, store: ReplayStore) {
    this.number = number
    this.#store = store
  }

  get connected(): boolean {
    return this.#connection?.connected === true
  }

  /** Whether the stream takes no more events. The client may not have received all events yet. */
  get ended(): boolean {
    return this.#ended
  }

  /** The id of the newest event that was written. A client can resume after this event. */
  get lastId(): string {
    return this.idOf(this.#written)
  }

  idOf(number: number): string {
    return `${this.number}-${number}`
  }

  send(frame: Frame, callback?: () => void): void {
    const number = ++this.#last
    const bytes = encodeEvent(frame, this.idOf(number))
    const { connected: written } = this
    if (written) this.#written = number
    const envelope = { kind: frame.kind, id: frame.id }
    const event = { stream: this, number, envelope, bytes, written }
    const isOver = this.#store.add(event)
    if (!written) return callback?.()
    const connection = this.#connection as EventStream
    if (!isOver) return connection.write(bytes, callback)
    connection.write(bytes, () => {
      if (!connection.broken) this.#store.forget(event)
      callback?.()
    })
  }

  end(): void {
    this.#ended = true
    this.#connection?.end()
    if (this.events.size === 0) this.#store.forgetStream(this)
  }

  /** Whether no event follows the event with this number. */
  endsAt(number: number): boolean {
    return this.#ended && number >= this.#last
  }

  /**
   * Continues the stream on a new connection. The old connection is closed.
   *
   * @param after the number of the last event that the client has (default: the last written event)
   */
  attach(connection: EventStream, after = this.#written): void {
    this.#connection?.giveWay()
    this.#connection = connection
    for (const event of this.events.values()) {
      if (event.number > after) connection.write(event.bytes)
      this.#store.markWritten(event)
    }
    if (this.#store.isOver) {
      connection.whenTaken(() => connection.broken || this.#store.trim())
    }
    this.#written = this.#last
    if (this.#ended) connection.end()
  }
}

export interface StoreOptions {
  /** The memory for the events to keep, in bytes (0: no limit). */
  maxSize: number
  log: Log
  /** Called with an error response for the server when a request of the server was dropped. */
  onRefused(response: Frame): void
}

/** The newest events of all streams of a session, up to a number of bytes. */
export class ReplayStore {
  readonly #options: StoreOptions
  readonly #maxSize: number
  readonly #streams = new Map<number, ResumableStream>()
  /** The kept events of all streams, except those in `#responses`. The oldest event comes first. */
  #events: Event[] = []
  /**
   * Responses that no client has received. When the store was full, it replaced a large response
   * with a small error response. The store drops these events only if all other events are gone.
   */
  readonly #responses: Event[] = []
  #size = 0
  /** The size of the events that were not written to a connection, in bytes. */
  #unwrittenSize = 0
  #nextStream = 0
  /** The numbers of the latest streams that ended without an event, oldest first. */
  #empty: Set<number> | undefined

  constructor(options: StoreOptions) {
    this.#options = options
    this.#maxSize = options.maxSize || Infinity
  }

  createStream(): ResumableStream {
    const stream = new ResumableStream(this.#nextStream++, this)
    this.#streams.set(stream.number, stream)
    return stream
  }

  /** Finds the stream and the number of the event that the header `Last-Event-ID` names. */
  find(lastEventId: string): { stream: ResumableStream; number: number } | undefined {
    const [streamNumber, number] = parse(lastEventId)
    const stream = this.#streams.get(streamNumber)
    return stream && { stream, number }
  }

  /** Whether the client has all events of the stream that the header names, and no event follows. */
  hasAll(lastEventId: string): boolean {
    const [streamNumber, number] = parse(lastEventId)
    return (
      this.#empty?.has(streamNumber) === true ||
      this.#streams.get(streamNumber)?.endsAt(number) === true
    )
  }

  /** Call this when a stream has ended without an event. */
  forgetStream({ number }: ResumableStream): void {
    this.#streams.delete(number)
    this.#empty ??= new Set()
    this.#empty.add(number)
    const [oldest] = this.#empty
    if (this.#empty.size > maxEmpty) this.#empty.delete(oldest as number)
  }

  /**
   * Whether the store can keep this frame for a client without a connection, and loses no frame
   * that the client has not received. A store without such frames takes a frame of any size.
   */
  hasRoomFor(frame: Frame): boolean {
    const size = this.#unwrittenSize + sizeOf(frame)
    return this.#unwrittenSize === 0 || size <= this.#maxSize
  }

  /**
   * Keeps an event. Returns true if this event alone is over the limit. The store keeps it even so.
   */
  add(event: Event): boolean {
    this.#keep(event, this.#events)
    // The newest event is kept even if it is over the limit, because a client may wait for it.
    while (this.isOver && this.#events.length > 1) {
      this.#drop(this.#events.shift() as Event)
    }
    while (this.isOver && this.#responses.length > 0) {
      this.#remove(this.#responses.shift() as Event)
    }
    return this.isOver
  }

  /** Whether the kept events are over the limit. */
  get isOver(): boolean {
    return this.#size > this.#maxSize
  }

  /** Drops events that were written to a connection, the oldest first, down to the limit. */
  trim(): void {
    this.#events = this.#events.filter((event) => {
      const isDropped = this.isOver && event.written
      if (isDropped) this.#remove(event)
      return !isDropped
    })
  }

  /** Drops an event that its client has received, unless a newer event has come. */
  forget(event: Event): void {
    if (this.#events.at(-1) !== event) return
    this.#events.pop()
    this.#remove(event)
  }

  markWritten(event: Event): void {
    if (event.written) return
    event.written = true
    this.#unwrittenSize -= sizeOf(event)
  }

  #keep(event: Event, queue: Event[]): void {
    queue.push(event)
    event.stream.events.set(event.number, event)
    this.#size += sizeOf(event)
    if (!event.written) this.#unwrittenSize += sizeOf(event)
  }

  #remove(event: Event): void {
    const { stream, number, written } = event
    this.#size -= sizeOf(event)
    if (!written) this.#unwrittenSize -= sizeOf(event)
    stream.events.delete(number)
    if (stream.ended && stream.events.size === 0) this.#streams.delete(stream.number)
  }

  #drop(event: Event): void {
    const { stream, number, envelope, bytes, written } = event
    if (written) return this.#remove(event)
    this.#options.log.warn('dropped a message that no client fetched (see --max-replay)')
    const error = new ProxyError('ERR_CLOSED', 'the message was not fetched in time')
    const { back, onward } = refuse(error, envelope)
    if (back !== undefined) this.#options.onRefused(back)
    if (onward === undefined) return this.#remove(event)
    // The client may resume the stream and wait for this response. So the store keeps an error in
    // its place, or keeps the response if the response is smaller than the error.
    const errorBytes = encodeEvent(onward, stream.idOf(number))
    this.#size -= sizeOf(event)
    this.#unwrittenSize -= sizeOf(event)
    const isSmaller = errorBytes.length < bytes.length
    this.#keep(isSmaller ? { ...event, bytes: errorBytes } : event, this.#responses)
  }
}

/** Reads the id of an event: the numbers of its stream and of the event. */
function parse(id: string): [stream: number, event: number] {
  const [, stream, event] = /^(\d+)-(\d+)$/.exec(id) ?? []
  return [Number(stream), Number(event)]
}
