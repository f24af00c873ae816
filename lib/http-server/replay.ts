// Event streams that outlive their connections (2025-11-25, Transports, Resumability). Each stream of
// a session is a stream; what is sent on it is numbered and kept for a while, so that a client that
// lost the connection, or has not opened one yet, gets what it missed, from that stream and no other.

import { ProxyError } from '../errors.ts'
import { encodeEvent } from '../framing/sse.ts'
import type { Log } from '../log.ts'
import type { Envelope } from '../message/envelope.ts'
import type { Frame } from '../message/frame.ts'
import { refuse } from '../message/refusal.ts'
import type { EventSink, EventStream } from './event-stream.ts'

interface Event {
  readonly stream: ResumableStream
  readonly number: number
  readonly envelope: Envelope
  /** Encoded, with its id. */
  readonly bytes: Buffer
}

export class ResumableStream implements EventSink {
  readonly number: number
  /** What is kept, by number. */
  readonly events = new Map<number, Event>()
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
    return this.#connection?.connected === true
  }

  /** All has been sent, though perhaps not received. */
  get ended(): boolean {
    return this.#ended
  }

  /** The id of the last event that went out, for a client to come back with. */
  get lastId(): string {
    return this.idOf(this.#delivered)
  }

  idOf(number: number): string {
    return `${this.number}-${number}`
  }

  send(frame: Frame, callback?: () => void): void {
    const number = ++this.#last
    const bytes = encodeEvent(frame, this.idOf(number))
    const { connected } = this
    if (connected) this.#delivered = number
    this.#store.add({ stream: this, number, envelope: { kind: frame.kind, id: frame.id }, bytes })
    if (connected) this.#connection?.write(bytes, callback)
    else callback?.()
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
    this.#connection?.giveWay()
    this.#connection = connection
    for (const { number, bytes } of this.events.values()) {
      if (number > after) connection.write(bytes)
    }
    this.#delivered = this.#last
    if (this.#ended) connection.end()
  }
}

export interface StoreOptions {
  /** In bytes (0: any). */
  maxSize: number
  log: Log
  /** Takes the answer to a request of the server's that had to be dropped. */
  onRefused(answer: Frame): void
}

/** The events of a session's channels, the newest of them, up to a number of bytes. */
export class ReplayStore {
  readonly #options: StoreOptions
  readonly #maxSize: number
  readonly #channels = new Map<number, ResumableStream>()
  /** Oldest first. */
  readonly #events: Event[] = []
  /** Answers that nobody has come for yet, most of them by now errors: they are let go last. */
  readonly #answers: Event[] = []
  #size = 0
  #next = 0

  constructor(options: StoreOptions) {
    this.#options = options
    this.#maxSize = options.maxSize || Infinity
  }

  createStream(): ResumableStream {
    const stream = new ResumableStream(this.#next++, this)
    this.#channels.set(stream.number, stream)
    return stream
  }

  /** Finds what a `Last-Event-ID` speaks of. */
  find(lastEventId: string): { stream: ResumableStream; number: number } | undefined {
    const [, channelNumber, number] = /^(\d+)-(\d+)$/.exec(lastEventId) ?? []
    const stream = this.#channels.get(Number(channelNumber))
    return stream && { stream, number: Number(number) }
  }

  add(event: Event): void {
    this.#keep(event, this.#events)
    // The newest is kept whatever its size: it may be the one answer that a client waits for.
    while (this.#size > this.#maxSize && this.#events.length > 1) {
      this.#drop(this.#events.shift() as Event)
    }
    while (this.#size > this.#maxSize && this.#answers.length > 0) {
      this.#forget(this.#answers.shift() as Event)
    }
  }

  #keep(event: Event, queue: Event[]): void {
    queue.push(event)
    event.stream.events.set(event.number, event)
    this.#size += event.bytes.length
  }

  #forget({ stream, number, bytes }: Event): void {
    this.#size -= bytes.length
    stream.events.delete(number)
    if (stream.ended && stream.events.size === 0) this.#channels.delete(stream.number)
  }

  #drop(event: Event): void {
    const { stream, number, envelope, bytes } = event
    if (!stream.waits(number)) return this.#forget(event)
    this.#options.log.warn('a message was dropped that no client came for (see --max-replay)')
    const error = new ProxyError('ERR_CLOSED', 'the message was not fetched in time')
    const { back, onward } = refuse(error, envelope)
    if (back !== undefined) this.#options.onRefused(back)
    if (onward === undefined) return this.#forget(event)
    // Whoever comes for the answer must not wait for ever.
    const told = encodeEvent(onward, stream.idOf(number))
    this.#size -= bytes.length
    this.#keep(told.length < bytes.length ? { ...event, bytes: told } : event, this.#answers)
  }
}
