// Reading the body of a request.

import type { IncomingMessage } from 'node:http'
import { ProxyError } from '../errors.ts'
import { BodyParser } from '../framing/body.ts'
import { tooLarge } from '../framing/newline.ts'

/**
 * Resolves to the whole body. One that is over the limit is refused at once; what still comes of it
 * is read and thrown away, since who is cut off while sending may never see the answer.
 *
 * @param maxMessage in bytes (0: any)
 * @throws ProxyError `ERR_FRAME_TOO_LARGE`, or `ERR_CLOSED` when the client has gone
 */
export function readBody(request: IncomingMessage, maxMessage: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const announced = Number(request.headers['content-length'])
    let parser: BodyParser | undefined = new BodyParser(maxMessage)
    if (maxMessage > 0 && announced > maxMessage) {
      reject(tooLarge(announced, maxMessage))
      parser = undefined
    }
    const gone = (cause?: Error): void => {
      reject(
        new ProxyError('ERR_CLOSED', 'the client went away in the middle of a message', { cause })
      )
    }
    if (request.destroyed) return gone()
    request
      .on('data', (chunk: Buffer) => {
        try {
          parser?.feed(chunk)
        } catch (error) {
          parser = undefined
          reject(error)
        }
      })
      .on('end', () => parser && resolve(parser.end()))
      .on('error', gone)
  })
}
