// Reading the body of a request.

import type { IncomingMessage } from 'node:http'
import { ProxyError } from '../errors.ts'
import { BodyParser, parseBody } from '../framing/body.ts'
import type { Body } from '../framing/body.ts'
import { tooLarge } from '../framing/newline.ts'
import { EnvelopeScanner } from '../message/envelope-scanner.ts'
import type { Frame } from '../message/frame.ts'
import { refuse, RefusedError } from '../message/refusal.ts'

/**
 * Resolves to the frames of a body.
 *
 * @param maxMessage in bytes (0: any)
 * @param takeAnswer gets what takes the place of an answer that cannot pass: the server waits for it
 * @throws ProxyError those of `readBody` and `parseBody`
 */
export async function readFrames(
  request: IncomingMessage,
  maxMessage: number,
  takeAnswer: (answer: Frame) => void
): Promise<Body> {
  try {
    return parseBody(await readBody(request, maxMessage))
  } catch (error) {
    const { onward } = error instanceof RefusedError ? refuse(error, error.envelope) : {}
    if (onward !== undefined) takeAnswer(onward)
    throw error
  }
}

/**
 * Resolves to the whole body. One that is over the limit goes by a scanner, and is refused at its
 * end: who is refused while sending may never see why, and may not send what it is about.
 *
 * @param maxMessage in bytes (0: any)
 * @throws RefusedError `ERR_FRAME_TOO_LARGE`
 * @throws ProxyError `ERR_CLOSED` when the client has gone
 */
export function readBody(request: IncomingMessage, maxMessage: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parser = new BodyParser(maxMessage)
    let scanner: EnvelopeScanner | undefined
    let size = 0
    const gone = (cause?: Error): void => {
      reject(
        new ProxyError('ERR_CLOSED', 'the client went away in the middle of a message', { cause })
      )
    }
    if (request.destroyed) return gone()
    request
      .on('data', (chunk: Buffer) => {
        size += chunk.length
        if (scanner !== undefined) return scanner.feed(chunk)
        try {
          parser.feed(chunk)
        } catch {
          scanner = new EnvelopeScanner()
          scanner.feed(parser.end())
          scanner.feed(chunk)
        }
      })
      .on('end', () => {
        if (scanner === undefined) resolve(parser.end())
        else reject(tooLarge(size, maxMessage, scanner.envelope()))
      })
      .on('error', gone)
  })
}
