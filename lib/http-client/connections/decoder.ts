// Decodes the body of an HTTP response that has a `Content-Encoding`. The proxy asks for bodies
// without an encoding, but some servers and gateways encode them anyway.
//
// The decoder gives each part as soon as it is decoded, so an event arrives when the server flushes
// it. The streams of node:zlib hold at most one decoded part. So a small body that decodes to a
// huge one takes no memory beyond the parts that the owner keeps. node:zlib loads with the first
// encoded body.

import type { IncomingHttpHeaders } from 'node:http'
import type { Transform } from 'node:stream'
import { ProxyError } from '../../errors.ts'

export interface DecoderOwner {
  /** The name of the server in errors: its URL without secrets. */
  readonly name: string
  decoderOnData(chunk: Buffer): void
  /** Called when the decoder has decoded all chunks that it got. */
  decoderOnDrain(): void
  /** Called once: when the whole body is decoded, or with the error that ended it early. */
  decoderOnEnd(error?: Error): void
}

/** Options of a stream in node:zlib. With this mark, it holds one decoded part at most. */
const options = { readableHighWaterMark: 1 }

/** The parameter ZSTD_d_windowLogMax: 2 ** 23 bytes, the most that a sender may use (RFC 9659). */
const zstdOptions = { ...options, params: { 100: 23 } }

/** For each encoding: the name of the function in node:zlib, and its options. */
const encodings = new Map<string, [create: string, options: object]>([
  ['gzip', ['createGunzip', options]],
  ['x-gzip', ['createGunzip', options]],
  ['deflate', ['createInflate', options]],
  ['raw deflate', ['createInflateRaw', options]],
  ['br', ['createBrotliDecompress', options]],
  // Only Node 22.15 and later can decode zstd.
  ['zstd', ['createZstdDecompress', zstdOptions]]
])

/** A body with more encodings than this is an error. */
const maxEncodings = 4

/** Returns the decoder for a response with these headers, or undefined if it has no encoding. */
export function createDecoder(
  headers: IncomingHttpHeaders,
  owner: DecoderOwner
): Decoder | undefined {
  const value = headers['content-encoding']
  if (value === undefined) return undefined
  // undici makes an array if the header comes twice.
  const names = [value]
    .join(',')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity')
  return names.length === 0 ? undefined : new Decoder(names, owner)
}

export class Decoder {
  readonly #names: string[]
  readonly #owner: DecoderOwner
  /** The first stream takes the body and the last one gives the decoded parts. */
  #streams: Transform[] | undefined
  #paused = false
  /** How many chunks are not decoded yet. */
  #pending = 0
  /** Set when the body has ended, with the error if it ended early. */
  #ended: { error: Error | undefined } | undefined
  #done = false

  /** @param names the encodings in the order in which the server applied them */
  constructor(names: string[], owner: DecoderOwner) {
    this.#names = names
    this.#owner = owner
  }

  /** Whether a chunk is not decoded yet. The owner should then give no other chunk. */
  get busy(): boolean {
    return this.#pending > 0
  }

  feed(chunk: Buffer): void {
    const [first] = (this.#streams ??= this.#open(chunk))
    if (first === undefined) return
    this.#pending++
    first.write(chunk, () => {
      if (--this.#pending > 0 || this.#done) return
      this.#owner.decoderOnDrain()
      if (this.#ended !== undefined) this.#endLater()
    })
  }

  /**
   * Call this when the body has ended.
   *
   * @param error why it ended early
   */
  end(error?: Error): void {
    this.#ended = { error }
    if (this.#pending === 0) this.#endLater()
  }

  pause(): void {
    this.#paused = true
    this.#streams?.at(-1)?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#streams?.at(-1)?.resume()
  }

  /** Stops the decoding. After this, no method of the owner is called. */
  destroy(): void {
    this.#done = true
    for (const stream of this.#streams ?? []) stream.destroy()
  }

  #open(chunk: Buffer): Transform[] {
    // Some servers send `deflate` without the zlib header. The low bits of this header are 8.
    const isRaw = this.#names.at(-1) === 'deflate' && ((chunk[0] as number) & 0x0f) !== 8
    const names = this.#names.toReversed()
    if (isRaw) names[0] = 'raw deflate'
    const zlib = process.getBuiltinModule('node:zlib') as unknown as Partial<
      Record<string, (options: object) => Transform>
    >
    const streams: Transform[] = []
    for (const name of names) {
      const [create = '', options = {}] = encodings.get(name) ?? []
      const stream = zlib[create]?.(options)
      if (stream === undefined || names.length > maxEncodings) {
        this.#onEnd(`the proxy cannot decode the Content-Encoding "${name.slice(0, 100)}"`)
        return []
      }
      stream.on('error', (cause) => this.#onEnd('cannot decode the response', cause))
      streams.push(stream)
    }
    const last = streams.reduce((from, to) => from.pipe(to))
    last.on('data', (chunk: Buffer) => {
      if (!this.#done) this.#owner.decoderOnData(chunk)
    })
    last.on('end', () => this.#onEnd())
    if (this.#paused) last.pause()
    return streams
  }

  // A stream can report that it has taken a chunk just before it gives the last part of it. So this
  // waits until it has given that part.
  #endLater(): void {
    setImmediate(() => {
      const [first] = this.#streams ?? []
      const error = this.#ended?.error
      if (first === undefined || error !== undefined) this.#finish(error)
      else first.end()
    })
  }

  #onEnd(message?: string, cause?: Error): void {
    if (message === undefined) this.#finish()
    else
      this.#finish(new ProxyError('ERR_HTTP_ANSWER', `${this.#owner.name}: ${message}`, { cause }))
  }

  #finish(error?: Error): void {
    if (this.#done) return
    this.destroy()
    this.#owner.decoderOnEnd(error)
  }
}
