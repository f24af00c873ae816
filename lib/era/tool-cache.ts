// Keeps, for each tool of a modern shared server, the parameters that a call must repeat in its
// HTTP headers (mirrored parameters).
//
// The first call of `paramsOf` opens a port (a transport to the shared server), subscribes to
// changes of the tools and lists the tools. A change of the tools, or the end of the subscription,
// drops the list. The next call of `paramsOf` then opens a new port.

import type { Duplex } from 'node:stream'
import { ask } from '../conversation/ask-server.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { stringAt } from '../json/find-value.ts'
import type { Frame } from '../message/frame.ts'
import { maxTools, toolsIn } from '../message/tools-in.ts'
import { methods } from '../protocol/methods.ts'
import { mirroredParams } from '../protocol/mirrored-headers.ts'
import type { MirroredParam } from '../protocol/mirrored-headers.ts'
import { paths } from '../protocol/paths.ts'
import { Pagination } from '../protocol/pagination.ts'
import { ownRequest } from './discover.ts'

/** The mirrored parameters of each tool. The key is the tool's name. */
type Book = Map<string, MirroredParam[]>

const none: MirroredParam[] = []

/** The id of the request to `subscriptions/listen`. The requests after it count on. */
const listenId = 1

export class ToolCache {
  readonly #connect: () => Duplex
  readonly #timeout: number
  readonly #log: Log
  #reading: Promise<Book> | undefined
  /** The result of `#reading`. It is undefined until `#reading` resolves. */
  #book: Book | undefined

  /**
   * @param connect opens a port of the shared server
   * @param timeout how long each response may take, in ms (0: no limit)
   */
  constructor(connect: () => Duplex, timeout: number, log: Log = silent) {
    this.#connect = connect
    this.#timeout = timeout
    this.#log = log
  }

  /**
   * Returns the mirrored parameters of a tool. Returns a promise of them while the list is not
   * known. An unknown or invalid tool has no mirrored parameters.
   *
   * @param call a request of a client. The proxy lists the tools in the name of this client, because
   * a translated server has a connection for each kind of client
   */
  paramsOf(tool: string, call?: Frame): MirroredParam[] | Promise<MirroredParam[]> {
    if (this.#book !== undefined) return this.#book.get(tool) ?? none
    this.#reading ??= this.#open(call)
    return this.#reading.then((book) => book.get(tool) ?? none)
  }

  #open(call?: Frame): Promise<Book> {
    const port = this.#connect()
    const notifications = { toolsListChanged: true }
    const listen = ownRequest(listenId, methods.listen, { notifications }, call)
    // The proxy subscribes before it lists the tools, so that it misses no change.
    port.write(listen)
    const reading = this.#read(port, call)
    const forget = (): void => {
      if (this.#reading === reading) this.#reading = this.#book = undefined
      // The port closes only after the current listing, because the listing needs the port.
      const close = (): void => void port.destroy()
      reading.then(close, close)
    }
    reading.then((book) => {
      if (this.#reading === reading) this.#book = book
    }, forget)
    port.on('close', forget).on('data', (frame: Frame) => {
      // With a response to its request, the server has ended the subscription. Without it, the
      // proxy would miss a change of the tools.
      if (frame.id === listen.id || frame.method === methods.toolsChanged) forget()
    })
    return reading
  }

  async #read(port: Duplex, call?: Frame): Promise<Book> {
    const book: Book = new Map()
    const pages = new Pagination()
    let cursor: string | undefined
    let id = listenId
    do {
      const params = cursor === undefined ? {} : { cursor }
      const request = ownRequest(++id, methods.listTools, params, call)
      const response = await ask(port, request, { timeout: this.#timeout })
      addTools(book, response)
      cursor = pages.next(stringAt(response.bytes, paths.nextCursor))
      // After an error the list is dropped, so the next `paramsOf` lists the tools again.
      if (response.errorCode !== undefined) port.destroy()
    } while (cursor !== undefined)
    if (pages.fault !== undefined) this.#log.warn(`the list of tools is cut short: ${pages.fault}`)
    port.resume()
    return book
  }
}

/** Adds the tools of one page to `book`. A server may send anything, so each value is checked. */
function addTools(book: Book, response: Frame): void {
  for (const { tool } of toolsIn(response) ?? []) {
    if (tool === undefined || book.size === maxTools) continue
    const params = mirroredParams(tool)
    if (typeof params !== 'string') book.set(tool.name, params)
  }
}
