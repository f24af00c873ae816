// HTTP bodies: one message each, or, in revision 2025-03-26 alone, a batch of several as an array.

import { ProxyError } from '../errors.ts'
import { splitArray } from '../json/split-array.ts'
import { largestMessage } from '../limits.ts'
import type { Frame } from '../message/frame.ts'
import { parseFrame } from '../message/parse-frame.ts'
import { tooLarge } from './newline.ts'

/** Gathers a body as its chunks come, and refuses to hold more than the limit. */
export class BodyParser {
  readonly #maxMessage: number
  #parts: Buffer[] = []
  #size = 0

  /** @param maxMessage the largest body taken, in bytes (64 MiB; 0: any) */
  constructor(maxMessage?: number) {
    this.#maxMessage = largestMessage(maxMessage)
  }

  /** @throws ProxyError `ERR_FRAME_TOO_LARGE`, with the chunk not taken */
  feed(chunk: Buffer): void {
    const size = this.#size + chunk.length
    if (size > this.#maxMessage) throw tooLarge(size, this.#maxMessage)
    this.#size = size
    this.#parts.push(chunk)
  }

  /** All that was taken: the whole body. Nothing of it is kept. */
  end(): Buffer {
    const parts = this.#parts
    const [first] = parts
    this.#parts = []
    return first !== undefined && parts.length === 1 ? first : Buffer.concat(parts, this.#size)
  }
}

export interface Body {
  frames: Frame[]
  /** The frames came as an array, and the answers to them may go back as one. */
  batch: boolean
}

/**
 * Reads the frames of a body.
 *
 * @throws ProxyError `ERR_FRAME_SYNTAX`, `ERR_FRAME_ENVELOPE`; an empty batch is no message either
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
