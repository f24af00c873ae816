// What a shared server of the modern revision says of its tools, as far as their calls must be
// checked. It is asked once. What it said is good for as long as a subscription lasts that would tell
// of changes, and until it does.

import type { Duplex } from 'node:stream'
import { open } from '../conversation/ask.ts'
import type { Frame } from '../message/frame.ts'
import { methods } from '../protocol/methods.ts'
import { mirroredParams } from '../protocol/mirrored-headers.ts'
import type { MirroredParam, Tool } from '../protocol/mirrored-headers.ts'
import { ownRequest } from './discover.ts'

type Book = Map<string, MirroredParam[]>

const none: MirroredParam[] = []

export class ToolBook {
  readonly #connect: () => Duplex
  readonly #timeout: number
  #book: Promise<Book> | undefined
  /** The same, once it has been read. */
  #known: Book | undefined

  /**
   * @param connect gives a port of the server
   * @param timeout milliseconds for each answer (0: any)
   */
  constructor(connect: () => Duplex, timeout: number) {
    this.#connect = connect
    this.#timeout = timeout
  }

  /**
   * The parameters of a tool that are mirrored in headers, at once if it is known. A definition that is
   * invalid has none.
   */
  paramsOf(tool: string): MirroredParam[] | Promise<MirroredParam[]> {
    if (this.#known !== undefined) return this.#known.get(tool) ?? none
    this.#book ??= this.#open()
    return this.#book.then((book) => book.get(tool) ?? none)
  }

  #open(): Promise<Book> {
    const port = this.#connect()
    const notifications = { toolsListChanged: true }
    const listen = ownRequest('changes', methods.listen, { notifications })
    port.write(listen)
    const book = this.#read(port)
    const forget = (): void => {
      if (this.#book === book) this.#book = this.#known = undefined
      // Whoever waits for it still gets it.
      const end = (): void => void port.destroy()
      book.then(end, end)
    }
    book.then((pages) => {
      if (this.#book === book) this.#known = pages
    }, forget)
    port.on('close', forget).on('data', (frame: Frame) => {
      // The answer means that the subscription is over: refused, ended, or lost in a crash.
      if (frame.id === listen.id || frame.method === methods.toolsChanged) forget()
    })
    return book
  }

  async #read(port: Duplex): Promise<Book> {
    const book: Book = new Map()
    let cursor: unknown
    do {
      const request = ownRequest('tools', methods.listTools, cursor === undefined ? {} : { cursor })
      const answer = await open(port, [request], { timeout: this.#timeout })
      const result = Object(answer?.message().result) as { tools?: Tool[]; nextCursor?: unknown }
      for (const tool of result.tools ?? []) {
        const params = mirroredParams(tool)
        if (typeof params !== 'string') book.set(tool.name, params)
      }
      cursor = result.nextCursor
      // One that cannot tell is asked again at the next call.
      if (answer?.errorCode !== undefined) port.destroy()
    } while (cursor !== undefined)
    port.resume()
    return book
  }
}
