// This file reads the body of a POST and parses it into frames. A body over the size limit is
// refused.

import type { IncomingMessage } from 'node:http'
import { ProxyError } from '../errors.ts'
import { BodyParser, parseBody } from '../framing/body.ts'
import type { Body } from '../framing/body.ts'
import { tooLarge } from '../framing/newline.ts'
import { EnvelopeScanner } from '../message/envelope-scanner.ts'
import { refuse, RefusedError } from '../message/refusal.ts'
import { batchVersion } from '../protocol/revisions.ts'
import type { ClientTransport } from './client-transport.ts'
import type { RequestContext } from './request-context.ts'

/**
 * Resolves to the frames of a POST. It starts to read when the transport has room, so a client
 * cannot send faster than its server reads.
 *
 * If the body is a response that cannot be forwarded, the server gets an error response instead,
 * because the server waits for a response.
 *
 * @param maxMessage the largest body, in bytes (0: no limit)
 * @param transport the session's transport, if the POST belongs to a session
 * @param batches whether the body may be a batch
 * @throws ProxyError the errors of `readBody` and `parseBody`
 */
export async function readFrames(
  context: RequestContext,
  maxMessage: number,
  transport?: ClientTransport,
  batches = false
): Promise<Body> {
  if (transport?.hasRoom === false) {
    await new Promise<void>((resolve) => transport.whenRoom(resolve))
  }
  try {
    const body = parseBody(await readBody(context.request, maxMessage), { batches })
    const [first] = body.frames
    if (!body.batch && first?.kind === 'request') context.rpcRequest = first
    return body
  } catch (error) {
    const { onward } = error instanceof RefusedError ? refuse(error, error.envelope) : {}
    if (onward !== undefined) transport?.receive(onward)
    throw error
  }
}

/** @throws ProxyError `ERR_REQUEST` for a batch */
export function refuseBatch({ batch }: Body): void {
  if (!batch) return
  const message = `only a session of the revision ${batchVersion} takes batches`
  throw new ProxyError('ERR_REQUEST', message)
}

/**
 * Resolves to the whole body. A body over the limit is also read to its end, but its bytes are
 * dropped. If the error came before the client had sent everything, the client might never read the
 * error. An `EnvelopeScanner` finds the id in the dropped bytes, for the error response.
 *
 * @param maxMessage the largest body, in bytes (0: no limit)
 * @throws RefusedError `ERR_FRAME_TOO_LARGE`
 * @throws ProxyError `ERR_CLOSED` if the connection closes before the end of the body
 */
export function readBody(request: IncomingMessage, maxMessage: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parser = new BodyParser(maxMessage)
    let scanner: EnvelopeScanner | undefined
    let size = 0
    const onClosed = (cause?: Error): void => {
      const message = 'the connection closed in the middle of a message'
      reject(new ProxyError('ERR_CLOSED', message, { cause }))
    }
    if (request.destroyed) return onClosed()
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
      .on('error', onClosed)
  })
}
