// What a shared server of the modern revision says of its tools, as far as their calls must be
// checked: asked for once, and again when the server says that its tools have changed.

import type { Duplex } from 'node:stream'
import { makeFrame, versionKey } from '../frame.ts'
import type { Frame } from '../frame.ts'
import { modernVersion } from '../protocol.ts'
import { mirroredParams } from '../transports/mcp-headers.ts'
import type { MirroredParam, Tool } from '../transports/mcp-headers.ts'
import { version } from '../version.ts'
import { open } from './open.ts'

type Book = Map<string, MirroredParam[]>

/** The `_meta` of the proxy's own requests. */
export const ownMeta = {
  [versionKey]: modernVersion,
  'io.modelcontextprotocol/clientInfo': { name: 'mcp-proxy', version },
  'io.modelcontextprotocol/clientCapabilities': {}
}

export class ToolBook {
  readonly #connect: () => Duplex
  readonly #timeout: number
  #port: Duplex | undefined
  #book: Promise<Book> | undefined
  #lastId = 0

  /**
   * @param connect gives a port of the server
   * @param timeout milliseconds for each answer (0: any)
   */
  constructor(connect: () => Duplex, timeout: number) {
    this.#connect = connect
    this.#timeout = timeout
  }

  /** The parameters of a tool that are mirrored in headers. A definition that is invalid has none. */
  async paramsOf(tool: string): Promise<MirroredParam[]> {
    this.#book ??= this.#read()
    try {
      return (await this.#book).get(tool) ?? []
    } catch (error) {
      this.#book = undefined
      throw error
    }
  }

  async #read(): Promise<Book> {
    const book: Book = new Map()
    const port = (this.#port ??= this.#open())
    let cursor: unknown
    do {
      const request = this.#request('tools/list', cursor === undefined ? {} : { cursor })
      const answer = await open(port, [request], { timeout: this.#timeout })
      const result = Object(answer?.message().result) as { tools?: Tool[]; nextCursor?: string }
      for (const tool of result.tools ?? []) {
        const params = mirroredParams(tool)
        if (typeof params !== 'string') book.set(tool.name, params)
      }
      cursor = result.nextCursor
    } while (cursor !== undefined)
    port.resume()
    return book
  }

  // The subscription lasts as long as the port. A server that knows none refuses it, and that is all.
  #open(): Duplex {
    const port = this.#connect()
    port
      .on('error', () => {})
      .on('close', () => (this.#port = this.#book = undefined))
      .on('data', (frame: Frame) => {
        if (frame.method === 'notifications/tools/list_changed') this.#book = undefined
      })
    const notifications = { toolsListChanged: true }
    port.write(this.#request('subscriptions/listen', { notifications }))
    return port
  }

  #request(method: string, params: Record<string, unknown>): Frame {
    const id = `tools-${++this.#lastId}`
    return makeFrame({ jsonrpc: '2.0', id, method, params: { ...params, _meta: ownMeta } })
  }
}

/** The request that a server of the modern revision answers, and a legacy one refuses. */
export const discovery = (): Frame =>
  makeFrame({
    jsonrpc: '2.0',
    id: 'mcp-proxy',
    method: 'server/discover',
    params: { _meta: ownMeta }
  })
