// The last entries, for pages that open later or read slowly. The oldest go when there are too many, or
// when they take too much memory.
//
// A message is kept in parts, as a number in each of a few arrays, and its text in `Texts`. An entry is
// made of them when a page gets it. So a message that no page gets costs a copy of its bytes, and leaves
// no object to the garbage collector, which would copy each one twice.

import type { Frame } from '../message/frame.ts'
import type { AnyEntry, MessageEntry } from './entries.ts'
import { Names, unknown } from './names.ts'
import { Texts } from './texts.ts'

/** How many entries are kept. */
export const maxEntries = 100_000
/** The longest text of a message that a page gets, in bytes. */
export const maxText = 2 * 1024 * 1024
/** What an entry takes beside the bytes of its message, about, in bytes. */
export const overhead = 256

/** What a message is about. A request, its progress and its response have the same call. */
export interface Subject {
  readonly method: string
  readonly name: string | undefined
  /** The entry with the request. `undefined`: the message belongs to no request. */
  readonly call: number | undefined
  /** When the request has come. */
  readonly time: number
}

/** A message as it passes. */
export interface Passed {
  readonly from: 'client' | 'server'
  readonly frame: Frame
  readonly delivered: boolean
}

/** All entries but messages. They are few. */
type OtherEntry = Exclude<AnyEntry, MessageEntry>

const kinds = ['request', 'notification', 'response'] as const
/** The parts of a number: the kind takes the first two bits. */
const flags = { kind: 3, fromClient: 4, undelivered: 8 }

export class Ring {
  /** At least 2. */
  readonly #maxEntries: number
  readonly #maxBytes: number
  // The entry `seq` is at `seq % maxEntries`.
  readonly #times: Float64Array
  readonly #sessions: Uint32Array
  readonly #flags: Uint8Array
  readonly #sizes: Float64Array
  readonly #places: Float64Array
  readonly #methods: Uint32Array
  readonly #targets: Uint32Array
  /** NaN: there is no call. */
  readonly #calls: Float64Array
  /** NaN: the message is no response to a call. */
  readonly #took: Float64Array
  readonly #names = new Names()
  readonly #texts = new Texts()
  // By the numbers of the entries.
  readonly #errors = new Map<number, number | string>()
  /** Those of the messages whose method or name has no number. */
  readonly #subjects = new Map<number, Subject>()
  readonly #others = new Map<number, OtherEntry>()
  #start = 0
  #end = 0
  #bytes = 0

  /** @param maxBytes how much memory the entries may take (0: no limit) */
  constructor(maxBytes: number, max = maxEntries) {
    this.#maxBytes = maxBytes || Infinity
    this.#maxEntries = max
    this.#times = new Float64Array(max)
    this.#sessions = new Uint32Array(max)
    this.#flags = new Uint8Array(max)
    this.#sizes = new Float64Array(max)
    this.#places = new Float64Array(max)
    this.#methods = new Uint32Array(max)
    this.#targets = new Uint32Array(max)
    this.#calls = new Float64Array(max)
    this.#took = new Float64Array(max)
  }

  /** The number of the oldest entry. */
  get start(): number {
    return this.#start
  }

  /** The number of the next entry. */
  get end(): number {
    return this.#end
  }

  /** Adds an entry whose number is `end`. */
  push(entry: OtherEntry): void {
    this.#makeRoom()
    this.#others.set(entry.seq, entry)
    this.#places[this.#end % this.#maxEntries] = this.#texts.end
    this.#grow(costOf(entry))
  }

  /**
   * Adds a message.
   *
   * @param session the number of its session
   * @param error as in the entry
   */
  pushMessage(
    time: number,
    session: number,
    { from, frame: { kind, bytes }, delivered }: Passed,
    subject: Subject | undefined,
    error: number | string | undefined
  ): void {
    this.#makeRoom()
    const index = this.#end % this.#maxEntries
    const { length } = bytes
    this.#times[index] = time
    this.#sessions[index] = session
    this.#flags[index] =
      kinds.indexOf(kind) |
      (from === 'client' ? flags.fromClient : 0) |
      (delivered ? 0 : flags.undelivered)
    this.#sizes[index] = length
    this.#keepSubject(index, kind, time, subject)
    if (error !== undefined) this.#errors.set(this.#end, error)
    const kept = Math.min(length, maxText)
    this.#places[index] = this.#texts.add(this.#end, bytes, kept)
    this.#grow(overhead + kept)
  }

  /** @param seq the number of an entry from `start` to `end` - 1 */
  at(seq: number): AnyEntry {
    return this.#others.get(seq) ?? this.#messageAt(seq)
  }

  #messageAt(seq: number): MessageEntry {
    const index = seq % this.#maxEntries
    const time = this.#times[index] as number
    const size = this.#sizes[index] as number
    const flag = this.#flags[index] as number
    const subject = this.#subjects.get(seq)
    const call = this.#calls[index] as number
    const took = this.#took[index] as number
    const kind = kinds[(flag & flags.kind) as 0 | 1 | 2]
    const text = this.#texts.at(seq, this.#places[index] as number, Math.min(size, maxText))
    return {
      seq,
      time,
      type: 'message',
      session: this.#sessions[index] as number,
      from: flag & flags.fromClient ? 'client' : 'server',
      kind,
      size,
      method: subject?.method ?? this.#names.at(this.#methods[index] as number),
      name: subject?.name ?? this.#names.at(this.#targets[index] as number),
      call: Number.isNaN(call) ? undefined : call,
      took: Number.isNaN(took) ? undefined : took,
      error: this.#errors.get(seq),
      undelivered: flag & flags.undelivered ? true : undefined,
      text,
      cut: size > maxText ? true : undefined
    }
  }

  #keepSubject(
    index: number,
    kind: MessageEntry['kind'],
    time: number,
    subject: Subject | undefined
  ): void {
    const method = this.#names.numberOf(subject?.method)
    const target = this.#names.numberOf(subject?.name)
    this.#methods[index] = method
    this.#targets[index] = target
    this.#calls[index] = kind === 'request' ? NaN : (subject?.call ?? NaN)
    this.#took[index] =
      kind === 'response' && subject !== undefined ? rounded(time - subject.time) : NaN
    if (method !== unknown && target !== unknown) return
    this.#subjects.set(this.#end, subject as Subject)
  }

  #makeRoom(): void {
    if (this.#end - this.#start === this.#maxEntries) this.#drop()
  }

  #grow(cost: number): void {
    this.#end++
    this.#bytes += cost
    while (this.#bytes > this.#maxBytes && this.#end - this.#start > 1) this.#drop()
  }

  #drop(): void {
    const seq = this.#start++
    const index = seq % this.#maxEntries
    const other = this.#others.get(seq)
    if (other !== undefined) {
      this.#bytes -= costOf(other)
      this.#others.delete(seq)
    } else {
      this.#bytes -= overhead + Math.min(this.#sizes[index] as number, maxText)
      if (this.#subjects.size > 0) this.#subjects.delete(seq)
      if (this.#errors.size > 0) this.#errors.delete(seq)
    }
    // There is a next entry: the newest one stays.
    this.#texts.drop(seq, this.#places[this.#start % this.#maxEntries] as number)
  }
}

/** Returns what an entry takes, about, in bytes. */
const costOf = (entry: OtherEntry): number =>
  overhead + ('line' in entry ? (entry.line?.length ?? 0) : 0)

/** Rounds a time in ms. */
export const rounded = (time: number): number => Math.round(time * 1000) / 1000

/**
 * Writes an entry as JSON. A message is written member by member, which takes a third of the time: a page
 * gets each one.
 */
export function toJson(entry: AnyEntry): string {
  if (entry.type !== 'message') return JSON.stringify(entry)
  const { seq, time, session, from, kind, size, method, name, call, took, error } = entry
  let json = `{"seq":${seq},"time":${time},"type":"message","session":${session},"from":"${from}","kind":"${kind}","size":${size}`
  if (method !== undefined) json += `,"method":${JSON.stringify(method)}`
  if (name !== undefined) json += `,"name":${JSON.stringify(name)}`
  if (call !== undefined) json += `,"call":${call}`
  if (took !== undefined) json += `,"took":${took}`
  if (error !== undefined) json += `,"error":${JSON.stringify(error)}`
  if (entry.undelivered) json += ',"undelivered":true'
  if (entry.cut) json += ',"cut":true'
  return `${json},"text":${JSON.stringify(entry.text)}}`
}
