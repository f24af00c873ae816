// A TCP relay before the listener, for one client. It cuts the connections of the client at any byte.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** Which bytes count until the cut. */
export type Direction = 'to client' | 'to server'

export class Relay {
  readonly #server = createServer((socket) => this.#join(socket))
  readonly #target: number
  readonly #sockets = new Set<Socket>()
  /** How many more bytes pass before the cut. */
  readonly #left: Record<Direction, number> = { 'to client': Infinity, 'to server': Infinity }

  /** @param target the port of the listener */
  constructor(target: number) {
    this.#target = target
  }

  /** Resolves to the port for the client. */
  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  /** Cuts all connections after some more bytes. */
  cutAfter(bytes: number, direction: Direction): void {
    if (bytes === 0) this.#cut()
    else this.#left[direction] = bytes
  }

  /** Cuts nothing from now on. */
  heal(): void {
    this.#left['to client'] = Infinity
    this.#left['to server'] = Infinity
  }

  close(): void {
    this.#server.close()
    this.#cut()
  }

  #join(near: Socket): void {
    const far = connect(this.#target, '127.0.0.1')
    for (const [from, to, direction] of [
      [near, far, 'to server'],
      [far, near, 'to client']
    ] as const) {
      this.#sockets.add(from)
      from
        .on('data', (chunk: Buffer) => this.#pass(chunk, to, direction))
        .on('end', () => to.end())
        .on('error', () => {})
        .on('close', () => {
          this.#sockets.delete(from)
          to.destroy()
        })
    }
  }

  #pass(chunk: Buffer, to: Socket, direction: Direction): void {
    const left = this.#left[direction]
    if (chunk.length < left) {
      this.#left[direction] = left - chunk.length
      to.write(chunk)
    } else {
      this.heal()
      to.write(chunk.subarray(0, left), () => this.#cut())
    }
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
