// Reading the body of a request.

import type { IncomingMessage } from 'node:http'
import { ProxyError } from '../errors.ts'
import { EnvelopeError, refuse } from '../frame.ts'
import type { Envelope, Frame } from '../frame.ts'
import { BodyParser, parseBody } from '../framing/body.ts'
import type { Body } from '../framing/body.ts'
import { tooLarge } from '../framing/newline.ts'
import { EnvelopeScanner } from '../framing/scan.ts'

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
  const onRefused = (error: ProxyError, envelope?: Envelope): void => {
    const { onward } = refuse(error, envelope)
    if (onward !== undefined) takeAnswer(onward)
  }
  const bytes = await readBody(request, maxMessage, onRefused)
  try {
    return parseBody(bytes)
  } catch (error) {
    if (error instanceof EnvelopeError) onRefused(error, error.envelope)
    throw error
  }
}

/**
 * Resolves to the whole body. One that is over the limit is refused at once; what still comes of it
 * goes by a scanner, since who is cut off while sending may never see the answer.
 *
 * @param maxMessage in bytes (0: any)
 * @param onRefused told of a body over the limit when it has gone by
 * @throws ProxyError `ERR_FRAME_TOO_LARGE`, or `ERR_CLOSED` when the client has gone
 */
export function readBody(
  request: IncomingMessage,
  maxMessage: number,
  onRefused?: (error: ProxyError, envelope?: Envelope) => void
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parser = new BodyParser(maxMessage)
    let refusal: { error: ProxyError; scanner: EnvelopeScanner } | undefined
    const refuse = (error: ProxyError): EnvelopeScanner => {
      const scanner = new EnvelopeScanner()
      refusal = { error, scanner }
      reject(error)
      return scanner
    }
    const gone = (cause?: Error): void => {
      reject(
        new ProxyError('ERR_CLOSED', 'the client went away in the middle of a message', { cause })
      )
    }
    if (request.destroyed) return gone()
    const announced = Number(request.headers['content-length'])
    if (maxMessage > 0 && announced > maxMessage) refuse(tooLarge(announced, maxMessage))
    request
      .on('data', (chunk: Buffer) => {
        if (refusal !== undefined) return refusal.scanner.feed(chunk)
        try {
          parser.feed(chunk)
        } catch (error) {
          const scanner = refuse(error as ProxyError)
          scanner.feed(parser.end())
          scanner.feed(chunk)
        }
      })
      .on('end', () => {
        if (refusal === undefined) resolve(parser.end())
        else onRefused?.(refusal.error, refusal.scanner.envelope())
      })
      .on('error', gone)
  })
}
