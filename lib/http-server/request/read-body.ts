// Reads the body of a POST and parses it into frames. Three limits protect the proxy's memory:
//
// - A body over the limit of one message gets its error as soon as its size is known. Then the
//   listener reads only a little more of it (see drop-rest.ts).
// - All bodies together have a budget, and the bodies of each caller have one (see body-budget.ts). A
//   body with a Content-Length reserves that size. A chunked body does not tell its size, so it
//   reserves the largest size as soon as it is larger than `freeSize`. Small bodies that wait for their
//   servers have the same limits again.
// - A body that stops coming ends with its connection (see idle-connections.ts).
//
// A client that sends `Expect: 100-continue` waits for the status 100 before it sends the body. The
// proxy sends this status when it starts to read, so after all checks that do not need the body.

import type { IncomingMessage } from 'node:http'
import { ProxyError } from '../../errors.ts'
import { BodyParser, parseBody } from '../../framing/body.ts'
import type { Body } from '../../framing/body.ts'
import { tooLarge } from '../../framing/newline.ts'
import { largestMessage, limits } from '../../limits.ts'
import type { LimitOptions } from '../../limits.ts'
import { EnvelopeScanner } from '../../message/envelope-scanner.ts'
import type { Envelope } from '../../message/envelope.ts'
import { refuse, RefusedError } from '../../message/refusal.ts'
import { batchVersion } from '../../protocol/revisions.ts'
import { BodyBudget, freeSize, reserveBoth, WaitingBodies } from './body-budget.ts'
import type { Reservation } from './body-budget.ts'
import type { ListenerOptions } from '../client-context.ts'
import type { ClientTransport } from '../client-transport.ts'
import type { RequestContext } from '../request-context.ts'

export interface BodyReaderOptions extends LimitOptions {
  trace?: ListenerOptions['trace']
}

/** Reads the bodies of all POSTs to one listener. */
export class BodyReader {
  readonly #waiting: WaitingBodies
  readonly #maxMessage: number
  readonly #budget: BodyBudget
  readonly #maxCallerBodies: number
  readonly #maxWait: number

  readonly #trace: BodyReaderOptions['trace']

  constructor(options: BodyReaderOptions) {
    const { maxMessage, maxBodyMemory, maxCallerBodies, idleTimeout, trace } = options
    this.#trace = trace
    this.#maxMessage = largestMessage(maxMessage)
    this.#budget = new BodyBudget(maxBodyMemory ?? limits.maxBodyMemory)
    this.#waiting = new WaitingBodies(maxBodyMemory ?? limits.maxBodyMemory)
    this.#maxCallerBodies = maxCallerBodies ?? limits.maxCallerBodies
    this.#maxWait = idleTimeout ?? limits.idleTimeout
  }

  /** How many bytes are reserved for bodies. */
  get reserved(): number {
    return this.#budget.used
  }

  /** Returns the small bodies of a caller that wait for their servers. They also count for all callers. */
  waitingOf({ caller }: RequestContext): WaitingBodies {
    if (caller === undefined || this.#maxCallerBodies === 0) return this.#waiting
    return (caller.waiting ??= new WaitingBodies(this.#maxCallerBodies, this.#waiting))
  }

  /**
   * Resolves to the frames of a POST. It starts to read when the transport has room, so a client
   * cannot send faster than its server reads.
   *
   * If the body is a response that cannot be forwarded, the server gets an error response instead,
   * because the server waits for a response.
   *
   * @param transport the session's transport, if the POST belongs to a session
   * @param batches whether the body may be a batch
   * @throws ProxyError `ERR_BODIES_FULL` if too many bodies wait, and the errors of `read` and
   * `parseBody`
   */
  readFrames(context: RequestContext, transport?: ClientTransport, batches = false): Promise<Body> {
    const parse = (bytes: Buffer): Body => {
      try {
        const body = parseBody(bytes, { batches })
        const trace = this.#trace
        if (trace !== undefined) {
          body.frames = body.frames.map((frame) => trace(frame, context.request.headers))
        }
        const [first] = body.frames
        if (body.batch) context.batch = body.frames
        else if (first?.kind === 'request') context.rpcRequest = first
        return body
      } catch (error) {
        if (error instanceof RefusedError) failResponse(error, error.envelope, transport)
        throw error
      }
    }
    if (transport?.hasRoom !== false) return this.read(context, parse, transport)
    return this.#waitForRoom(context, transport).then(() => this.read(context, parse, transport))
  }

  // While the body waits, Node keeps up to `freeSize` bytes of it.
  async #waitForRoom(context: RequestContext, transport: ClientTransport): Promise<void> {
    const { 'content-length': declared = freeSize } = context.request.headers
    const waiting = this.waitingOf(context)
    const size = waiting.add(Math.min(Number(declared), freeSize))
    await new Promise<void>((resolve) => transport.whenRoom(resolve))
    waiting.remove(size)
  }

  /**
   * Reads the whole body, and resolves to what `parse` makes of it. The reservation of the body ends with
   * `context.releaseBody()`.
   *
   * @param transport the session's transport. If the client POSTs a JSON-RPC response over the
   * limit, the transport gets an error response in its place
   * @throws RefusedError `ERR_FRAME_TOO_LARGE`
   * @throws ProxyError `ERR_BODIES_FULL` if the body waits too long for its reservation
   * @throws ProxyError `ERR_CLOSED` if the connection closes before the end of the body
   */
  async read<Parsed>(
    context: RequestContext,
    parse: (body: Buffer) => Parsed,
    transport?: ClientTransport
  ): Promise<Parsed> {
    // Before this goes on, Node passes on the body that came in one packet with the headers.
    await Promise.resolve()
    const body = this.#readWhole(context)
    // To resolve a promise to a Buffer costs as much as to read the body.
    return parse(body ?? (await this.#readChunks(context, transport)))
  }

  /**
   * Returns a small body that has come already: one `read` costs much less than listeners. Node marks
   * the request as complete only later.
   */
  #readWhole({ request, awaitsContinue }: RequestContext): Buffer | undefined {
    const size = Number(request.headers['content-length'])
    const isSmall = size <= Math.min(freeSize, this.#maxMessage) && !awaitsContinue
    if (!isSmall || request.readableLength !== size || request.destroyed) return undefined
    return (request.read() ?? empty) as Buffer
  }

  #readChunks(context: RequestContext, transport?: ClientTransport): Promise<Buffer> {
    const { request } = context
    const maxMessage = this.#maxMessage
    return new Promise((resolve, reject) => {
      const parser = new BodyParser(maxMessage)
      let size = 0
      let reserved = freeSize
      // Node may keep the request for a while. The listeners would keep the frames of its body.
      const stop = (): void => {
        request.off('data', onData).off('end', onEnd).off('error', onClosed)
      }
      const fail = (error: ProxyError): void => {
        stop()
        reject(error)
      }
      const onClosed = (cause?: Error): void => {
        const message = 'the connection closed in the middle of a message'
        fail(new ProxyError('ERR_CLOSED', message, { cause }))
      }
      const failTooLarge = (knownSize: number, ...received: Buffer[]): void => {
        const onResponse = (envelope: Envelope): void =>
          failResponse(tooLarge(knownSize, maxMessage), envelope, transport)
        const envelope = findEnvelope(request, received, onResponse)
        fail(tooLarge(knownSize, maxMessage, envelope))
      }
      const onData = (chunk: Buffer): void => {
        size += chunk.length
        if (size > maxMessage) return failTooLarge(size, parser.end(), chunk)
        parser.feed(chunk)
        if (size <= reserved) return
        reserved = maxMessage
        this.#reserve(context, reserved, transport, () => {}, fail)
      }
      const onEnd = (): void => {
        stop()
        resolve(parser.end())
      }
      const start = (): void => {
        context.startBody()
        request.on('data', onData).on('end', onEnd)
      }
      if (request.destroyed) return onClosed()
      request.on('error', onClosed)
      const declared = Number(request.headers['content-length'] ?? 0)
      if (declared > maxMessage) return failTooLarge(declared)
      if (declared <= freeSize) return start()
      reserved = declared
      this.#reserve(context, declared, transport, start, fail)
    })
  }

  /**
   * Reserves memory. While the body waits for the reservation, the proxy does not read it. If the
   * transport has no room by then, the body gives the memory back and waits for room again.
   */
  #reserve(
    context: RequestContext,
    size: number,
    transport: ClientTransport | undefined,
    onGranted: () => void,
    onTimeout: (error: ProxyError) => void
  ): void {
    const giveUp = (): void => {
      const flags = '--max-body-memory and --max-caller-bodies'
      const message = `too many large bodies are on their way (see ${flags})`
      onTimeout(new ProxyError('ERR_BODIES_FULL', message))
    }
    const timer = this.#maxWait > 0 ? setTimeout(giveUp, this.#maxWait) : undefined
    const reservation = this.#reserveFor(context, size, () => {
      clearTimeout(timer)
      if (transport?.hasRoom !== false) {
        onGranted()
        context.request.resume()
        return
      }
      process.nextTick(() => {
        context.releaseBody()
        transport.whenRoom(() => {
          const { destroyed } = context.request
          if (!destroyed) this.#reserve(context, size, transport, onGranted, onTimeout)
        })
      })
    })
    context.releaseBody = () => {
      clearTimeout(timer)
      reservation.release()
    }
    if (!reservation.granted || transport?.hasRoom === false) context.request.pause()
  }

  #reserveFor({ caller }: RequestContext, size: number, onGranted: () => void): Reservation {
    if (caller === undefined || this.#maxCallerBodies === 0) {
      return this.#budget.reserve(size, onGranted)
    }
    caller.bodies ??= new BodyBudget(this.#maxCallerBodies)
    return reserveBoth(caller.bodies, this.#budget, size, onGranted)
  }
}

const empty = Buffer.alloc(0)

/** How much of a body over the limit is searched for its envelope, in bytes. */
const maxScan = 64 * 1024

/**
 * Finds the envelope of a body over the limit. Returns the envelope if the received bytes belong to
 * a request. Otherwise the function searches the bytes that the listener still reads.
 *
 * @param onResponse called if the body turns out to be a response
 */
function findEnvelope(
  request: IncomingMessage,
  received: Buffer[],
  onResponse: (envelope: Envelope) => void
): Envelope | undefined {
  const scanner = new EnvelopeScanner()
  let left = maxScan
  const scan = (chunk: Buffer): void => {
    scanner.feed(chunk.subarray(0, left))
    left = Math.max(left - chunk.length, 0)
  }
  received.forEach(scan)
  const found = scanner.envelope()
  if (found?.kind === 'request') return found
  const onEnd = (): void => {
    request.off('data', onData).off('close', onEnd)
    const envelope = scanner.envelope()
    if (envelope?.kind === 'response') onResponse(envelope)
  }
  const onData = (chunk: Buffer): void => {
    scan(chunk)
    if (left === 0) onEnd()
  }
  if (left === 0) onEnd()
  else request.on('data', onData).once('close', onEnd)
  return undefined
}

/** If the refused message is a response, the server gets an error response instead. */
function failResponse(
  error: RefusedError,
  envelope: Envelope | undefined,
  transport: ClientTransport | undefined
): void {
  const { onward } = refuse(error, envelope)
  if (onward !== undefined) transport?.receive(onward)
}

/**
 * Refuses a batch.
 *
 * @throws ProxyError `ERR_REQUEST`
 */
export function refuseBatch({ batch }: Body): void {
  if (!batch) return
  const message = `only a session of the revision ${batchVersion} takes batches`
  throw new ProxyError('ERR_REQUEST', message)
}
