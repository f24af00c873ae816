// A server that the proxy itself has initialized, for clients that do not: those without a session.

import type { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import type { Frame } from '../frame.ts'
import { limits } from '../limits.ts'
import { Around } from '../transports/around.ts'
import { failAfterReading } from '../transports/fail.ts'
import type { Callback } from '../transports/types.ts'
import { open, openingOfProxy } from './open.ts'

export interface InitializedOptions {
  /** Milliseconds for the server's answer to `initialize` (30 000; 0: any). */
  connectTimeout?: number | undefined
}

/**
 * Gives the transport to a server that has been initialized, with no client capabilities: it will not
 * ask anything of anybody.
 *
 * Errors: `ERR_SERVER_START` when it could not be, and those of the server.
 */
export function initialized(server: Duplex, options: InitializedOptions = {}): Around {
  return new InitializedTransport(server, options.connectTimeout ?? limits.connectTimeout)
}

class InitializedTransport extends Around {
  readonly #server: Duplex
  readonly #timeout: number

  constructor(server: Duplex, timeout: number) {
    super()
    this.#server = server
    this.#timeout = timeout
  }

  override _construct(callback: Callback): void {
    open(this.#server, openingOfProxy(), { timeout: this.#timeout }).then(
      () => {
        this.attach(this.#server)
        callback()
      },
      (error: unknown) => {
        this.#server.destroy()
        callback(error as ProxyError)
      }
    )
  }

  override _write(frame: Frame, _encoding: BufferEncoding, callback: Callback): void {
    // What an error means is told when the server closes.
    this.inner?.write(frame, (error) => error || callback())
  }

  override _final(callback: Callback): void {
    if (this.inner === undefined) callback()
    else this.inner.end(() => callback())
  }

  protected override innerOnFrame(frame: Frame): void {
    this.pass(frame)
  }

  protected override innerOnClose(error: Error | undefined): void {
    if (this.writableFinished) this.push(null)
    else failAfterReading(this, error ?? new ProxyError('ERR_CONNECTION', 'the server has ended'))
  }
}
