// The tools of a shared server of the modern revision: which of their parameters must be mirrored in
// the headers of a call.
//
// The first question opens a port of the server, subscribes to changes of the tools, and then lists
// them. The list is kept while the subscription lasts. A change, or the end of the subscription, drops
// it, and the next question opens another port.

import type { Duplex } from 'node:stream'
import { ask } from '../conversation/ask-server.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import type { Frame } from '../message/frame.ts'
import { methods } from '../protocol/methods.ts'
import { isTool, mirroredParams } from '../protocol/mirrored-headers.ts'
import type { MirroredParam } from '../protocol/mirrored-headers.ts'
import { Pagination } from '../protocol/pagination.ts'
import { ownRequest } from './discover.ts'

/** The mirrored parameters of each tool, by the tool's name. */
type Book = Map<string, MirroredParam[]>

const none: MirroredParam[] = []

export class ToolCache {
  readonly #connect: () => Duplex
  readonly #timeout: number
  readonly #log: Log
  #reading: Promise<Book> | undefined
  /** The result of `#reading`. */
  #book: Book | undefined

  /**
   * @param connect gives a port of the server
   * @param timeout milliseconds for each response (0: no limit)
   */
  constructor(connect: () => Duplex, timeout: number, log: Log = silent) {
    this.#connect = connect
    this.#timeout = timeout
    this.#log = log
  }

  /**
   * The mirrored parameters of a tool: at once when the list is known. An unknown tool, or one whose
   * definition is invalid, has none.
   */
  paramsOf(tool: string): MirroredParam[] | Promise<MirroredParam[]> {
    if (this.#book !== undefined) return this.#book.get(tool) ?? none
    this.#reading ??= this.#open()
    return this.#reading.then((book) => book.get(tool) ?? none)
  }

  #open(): Promise<Book> {
    const port = this.#connect()
    const notifications = { toolsListChanged: true }
    const listen = ownRequest('changes', methods.listen, { notifications })
    // The subscription comes before the list, so that no change is missed.
    port.write(listen)
    const reading = this.#read(port)
    const forget = (): void => {
      if (this.#reading === reading) this.#reading = this.#book = undefined
      // A listing in progress still needs the port.
      const close = (): void => void port.destroy()
      reading.then(close, close)
    }
    reading.then((book) => {
      if (this.#reading === reading) this.#book = book
    }, forget)
    port.on('close', forget).on('data', (frame: Frame) => {
      // A response to the subscription ends it.
      if (frame.id === listen.id || frame.method === methods.toolsChanged) forget()
    })
    return reading
  }

  async #read(port: Duplex): Promise<Book> {
    const book: Book = new Map()
    const pages = new Pagination()
    let cursor: string | undefined
    do {
      const request = ownRequest('tools', methods.listTools, cursor === undefined ? {} : { cursor })
      const response = await ask(port, request, { timeout: this.#timeout })
      const result = response.message().result
      addTools(book, result)
      cursor = pages.next(result)
      // After an error the next question lists the tools again.
      if (response.errorCode !== undefined) port.destroy()
    } while (cursor !== undefined)
    if (pages.fault !== undefined) this.#log.warn(`the list of tools is cut short: ${pages.fault}`)
    port.resume()
    return book
  }
}

/** Adds the tools of one page. A server may send anything, so each value is checked. */
function addTools(book: Book, result: unknown): void {
  const { tools } = Object(result) as { tools?: unknown }
  if (!Array.isArray(tools)) return
  for (const tool of tools as unknown[]) {
    if (!isTool(tool)) continue
    const params = mirroredParams(tool)
    if (typeof params !== 'string') book.set(tool.name, params)
  }
}
