// Reads the bodies of HTTP requests and responses. A body is one message. Only in revision
// 2025-03-26, a body may be a batch: an array of messages.

import { ProxyError } from '../errors.ts'
import { OPEN_BRACKET, withoutBom } from '../json/bytes.ts'
import { checkJson } from '../json/check.ts'
import { hasMoreThan, splitArray } from '../json/split-array.ts'
import { skipBlank } from '../json/walker.ts'
import { largestMessage } from '../limits.ts'
import type { Frame } from '../message/frame.ts'
import { parseFrame } from '../message/parse-frame.ts'
import { batchVersion } from '../protocol/revisions.ts'
import { ChunkList } from './chunk-list.ts'
import { tooLarge } from './newline.ts'

/** Collects the chunks of a body. A body over the limit is an error. */
export class BodyParser {
  readonly #maxMessage: number
  readonly #chunks = new ChunkList()

  /** @param maxMessage the largest body to accept, in bytes (default: 64 MiB; 0: no limit) */
  constructor(maxMessage?: number) {
    this.#maxMessage = largestMessage(maxMessage)
  }

  /** @throws ProxyError `ERR_FRAME_TOO_LARGE`. The parser then drops the chunk */
  feed(chunk: Buffer): void {
    const size = this.#chunks.size + chunk.length
    if (size > this.#maxMessage) throw tooLarge(size, this.#maxMessage)
    this.#chunks.add(chunk)
  }

  /** Returns the whole body. The parser then keeps no chunks. */
  end(): Buffer {
    return this.#chunks.join()
  }
}

export interface Body {
  frames: Frame[]
  /** True if the body is an array. The proxy may then send the responses as an array too. */
  batch: boolean
}

export interface BodyOptions {
  /** Whether the body may be a batch (default true). */
  batches?: boolean | undefined
}

/** The largest batch. A frame takes much more memory than a small message. */
const maxBatch = 1000

/**
 * Reads the frames of a body.
 *
 * @throws ProxyError `ERR_FRAME_SYNTAX` if the body is not JSON, `ERR_FRAME_ENVELOPE` if a message
 *   is not JSON-RPC or the batch is empty, `ERR_REQUEST` if the body is a batch and batches are not
 *   allowed, or if the batch has more than 1000 messages. These batches are not parsed
 */
export function parseBody(body: Buffer, { batches = true }: BodyOptions = {}): Body {
  const bytes = withoutBom(body)
  if (!isArray(bytes)) return { frames: [parseFrame(bytes)], batch: false }
  if (!batches) {
    const message = `only a session of the revision ${batchVersion} takes batches`
    throw new ProxyError('ERR_REQUEST', message)
  }
  if (hasMoreThan(maxBatch, bytes)) {
    throw new ProxyError('ERR_REQUEST', `the batch has more than ${maxBatch} messages`)
  }
  try {
    checkJson(bytes)
  } catch (cause) {
    throw new ProxyError('ERR_FRAME_SYNTAX', 'the batch is not JSON', { cause })
  }
  const frames = splitArray(bytes).map((element) => parseFrame(element))
  if (frames.length === 0) throw new ProxyError('ERR_FRAME_ENVELOPE', 'the batch is empty')
  return { frames, batch: true }
}

const isArray = (bytes: Buffer): boolean => bytes[skipBlank(bytes, 0)] === OPEN_BRACKET
