// Keeps, for each tool of a modern shared server, the parameters that a call must repeat in its
// HTTP headers (mirrored parameters).
//
// The first call of `paramsOf` opens a port (a transport to the shared server) and lists the tools.
// If a tool has mirrored parameters, the proxy also subscribes to changes of the tools. A change, or
// the end of the subscription, drops the list, and the next call of `paramsOf` opens a new port. If
// no tool has mirrored parameters, the list is used for a minute, without a subscription: some
// servers keep only one subscription for each connection, and that one should be a client's.

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

/** How long a list without mirrored parameters is used, in ms. */
const maxAge = 60_000

export class ToolCache {
  readonly #connect: () => Duplex
  readonly #timeout: number
  readonly #log: Log
  #reading: Promise<Book> | undefined
  /** The result of `#reading`. It is undefined until `#reading` resolves. */
  #book: Book | undefined
  /** When the list gets too old, in ms of `performance.now()`. */
  #until = Infinity
  /** Whether a tool of the last list has mirrored parameters. */
  #mirrors = false

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
    if (performance.now() >= this.#until) this.#reading = this.#book = undefined
    if (this.#book !== undefined) return this.#book.get(tool) ?? none
    this.#reading ??= this.#open(call)
    return this.#reading.then((book) => book.get(tool) ?? none)
  }

  #open(call?: Frame): Promise<Book> {
    const lister = new Lister(this.#connect(), this.#timeout, this.#log, call)
    this.#until = Infinity
    const forget = (): void => {
      if (this.#reading === reading) this.#reading = this.#book = undefined
      // The port closes only after the current listing, because the listing needs the port.
      const close = (): void => void lister.port.destroy()
      reading.then(close, close)
    }
    const reading = this.#read(lister, forget)
    reading.then((book) => {
      if (this.#reading === reading) this.#book = book
    }, forget)
    return reading
  }

  async #read(lister: Lister, forget: () => void): Promise<Book> {
    const wasMirroring = this.#mirrors
    // The proxy subscribes before it lists the tools, so that it misses no change.
    if (wasMirroring) lister.subscribe(forget)
    const book = await lister.list()
    this.#mirrors = [...book.values()].some((params) => params.length > 0)
    if (!this.#mirrors) {
      this.#until = performance.now() + (lister.hasFailed ? 0 : maxAge)
      lister.port.destroy()
      return book
    }
    if (wasMirroring) return book
    lister.subscribe(forget)
    return lister.list()
  }
}

/** Lists the tools over one port. */
class Lister {
  readonly port: Duplex
  /** Whether the server has answered with an error. Then the list is not complete. */
  hasFailed = false
  readonly #timeout: number
  readonly #log: Log
  readonly #call: Frame | undefined
  #lastId = 0

  constructor(port: Duplex, timeout: number, log: Log, call: Frame | undefined) {
    this.port = port
    this.#timeout = timeout
    this.#log = log
    this.#call = call
  }

  /** Subscribes to changes of the tools. Calls back at a change, and when no change is reported. */
  subscribe(callback: () => void): void {
    const listen = this.#request(methods.listen, { notifications: { toolsListChanged: true } })
    this.port.on('close', callback).on('data', (frame: Frame) => {
      // With a response to its request, the server has ended the subscription.
      if (frame.id === listen.id || frame.method === methods.toolsChanged) callback()
    })
    this.port.write(listen)
  }

  async list(): Promise<Book> {
    const book: Book = new Map()
    const pages = new Pagination()
    let cursor: string | undefined
    do {
      const request = this.#request(methods.listTools, cursor === undefined ? {} : { cursor })
      const response = await ask(this.port, request, { timeout: this.#timeout })
      addTools(book, response)
      cursor = pages.next(stringAt(response.bytes, paths.nextCursor))
      // After an error the list is dropped, so the next `paramsOf` lists the tools again.
      if (response.errorCode !== undefined) this.#fail()
    } while (cursor !== undefined)
    if (pages.fault !== undefined) this.#log.warn(`the list of tools is cut short: ${pages.fault}`)
    this.port.resume()
    return book
  }

  #request(method: string, params: Record<string, unknown>): Frame {
    return ownRequest(++this.#lastId, method, params, this.#call)
  }

  #fail(): void {
    this.hasFailed = true
    this.port.destroy()
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
