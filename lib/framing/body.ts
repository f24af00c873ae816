// HTTP bodies. A body is one message or, in revision 2025-03-26 only, a batch: an array of messages.

import { ProxyError } from '../errors.ts'
import { splitArray } from '../json/split-array.ts'
import { largestMessage } from '../limits.ts'
import type { Frame } from '../message/frame.ts'
import { parseFrame } from '../message/parse-frame.ts'
import { tooLarge } from './newline.ts'

/** Gathers the chunks of a body, up to the limit. */
export class BodyParser {
  readonly #maxMessage: number
  #parts: Buffer[] = []
  #size = 0

  /** @param maxMessage the largest body that is accepted, in bytes (64 MiB; 0: no limit) */
  constructor(maxMessage?: number) {
    this.#maxMessage = largestMessage(maxMessage)
  }

  /** @throws ProxyError `ERR_FRAME_TOO_LARGE`. The parser then has not kept the chunk */
  feed(chunk: Buffer): void {
    const size = this.#size + chunk.length
    if (size > this.#maxMessage) throw tooLarge(size, this.#maxMessage)
    this.#size = size
    this.#parts.push(chunk)
  }

  /** Returns the whole body, and keeps none of it. */
  end(): Buffer {
    const parts = this.#parts
    const [first] = parts
    this.#parts = []
    return first !== undefined && parts.length === 1 ? first : Buffer.concat(parts, this.#size)
  }
}

export interface Body {
  frames: Frame[]
  /** The frames came as an array. Their responses may go back as an array too. */
  batch: boolean
}

/**
 * Reads the frames of a body.
 *
 * @throws ProxyError `ERR_FRAME_SYNTAX`, `ERR_FRAME_ENVELOPE` (also for an empty batch)
 */
export function parseBody(bytes: Buffer): Body {
  if (!isArray(bytes)) return { frames: [parseFrame(bytes)], batch: false }
  try {
    JSON.parse(bytes.toString())
  } catch (cause) {
    throw new ProxyError('ERR_FRAME_SYNTAX', 'the batch is not JSON', { cause })
  }
  const frames = splitArray(bytes).map((element) => parseFrame(element))
  if (frames.length === 0) throw new ProxyError('ERR_FRAME_ENVELOPE', 'the batch is empty')
  return { frames, batch: true }
}

function isArray(bytes: Buffer): boolean {
  let at = 0
  while ((bytes[at] as number) <= 0x20) at++
  return bytes[at] === 0x5b
}
