// Reads the bodies of HTTP requests and responses. A body is one message. Only in revision
// 2025-03-26, a body may be a batch: an array of messages.

import { ProxyError } from '../errors.ts'
import { withoutBom } from '../json/bytes.ts'
import { splitArray } from '../json/split-array.ts'
import { largestMessage } from '../limits.ts'
import type { Frame } from '../message/frame.ts'
import { parseFrame } from '../message/parse-frame.ts'
import { tooLarge } from './newline.ts'

/** Collects the chunks of a body. A body over the limit is an error. */
export class BodyParser {
  readonly #maxMessage: number
  #parts: Buffer[] = []
  #size = 0

  /** @param maxMessage the largest body to accept, in bytes (default: 64 MiB; 0: no limit) */
  constructor(maxMessage?: number) {
    this.#maxMessage = largestMessage(maxMessage)
  }

  /** @throws ProxyError `ERR_FRAME_TOO_LARGE`. The parser then drops the chunk */
  feed(chunk: Buffer): void {
    const size = this.#size + chunk.length
    if (size > this.#maxMessage) throw tooLarge(size, this.#maxMessage)
    this.#size = size
    this.#parts.push(chunk)
  }

  /** Returns the whole body. The parser then keeps no chunks. */
  end(): Buffer {
    const parts = this.#parts
    const [first] = parts
    this.#parts = []
    return first !== undefined && parts.length === 1 ? first : Buffer.concat(parts, this.#size)
  }
}

export interface Body {
  frames: Frame[]
  /** True if the body is an array. The proxy may then send the responses as an array too. */
  batch: boolean
}

/**
 * Reads the frames of a body.
 *
 * @throws ProxyError `ERR_FRAME_SYNTAX` if the body is not JSON, `ERR_FRAME_ENVELOPE` if a message
 *   is not JSON-RPC or the batch is empty
 */
export function parseBody(body: Buffer): Body {
  const bytes = withoutBom(body)
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
