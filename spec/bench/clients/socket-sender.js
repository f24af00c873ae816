// Sends HTTP requests on raw sockets, at the least cost to the client, with the headers of `fetch`.
// A connection has one request at a time; idle connections are kept for later requests.

import { once } from 'node:events'
import { connect } from 'node:net'
import { ResponseReader } from './response-reader.js'

export class SocketSender {
  #idle = []
  #all = []
  #port

  constructor(port) {
    this.#port = port
  }

  /** Resolves to { status, session, bytes, text }. `text` is cut if the response is long. */
  async send(method, path, headers, body) {
    let connection
    // Servers close connections that are idle for some seconds.
    do connection = this.#idle.pop() ?? (await this.#connect())
    while (connection.closed)
    const response = await connection.send(format(method, path, headers, body))
    this.#idle.push(connection)
    return response
  }

  close() {
    for (const connection of this.#all) connection.close()
  }

  async #connect() {
    const connection = new Connection(this.#port)
    this.#all.push(connection)
    await connection.ready
    return connection
  }
}

function format(method, path, headers, body) {
  let head = `${method} ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: keep-alive\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\n`
  for (const name in headers) head += `${name}: ${headers[name]}\r\n`
  return `${head}accept-language: *\r\nsec-fetch-mode: cors\r\nuser-agent: node\r\naccept-encoding: gzip, deflate\r\ncontent-length: ${body.length}\r\n\r\n${body}`
}

/** `text` has so many bytes of the beginning and of the end of a long response. */
const textSize = 1000

const endOf = (chunk) => chunk?.latin1Slice(Math.max(0, chunk.length - textSize)) ?? ''

class Connection {
  #socket
  #status = 0
  #session
  #size = 0
  /** The beginning of the body. */
  #text = ''
  /** The last two chunks of the body, if they are not in `#text`. The network may cut a message in two. */
  #beforeLast
  #last
  #resolve
  #reject

  constructor(port) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.ready = once(this.#socket, 'connect')
    const reader = new ResponseReader({
      head: (status, head) => {
        this.#status = status
        this.#session = /^mcp-session-id: *(.+?)\r?$/im.exec(head)?.[1]
        this.#size = 0
        this.#text = ''
        this.#beforeLast = this.#last = undefined
      },
      data: (chunk) => {
        if (this.#text.length < textSize) this.#text += chunk.toString('latin1', 0, textSize)
        else {
          this.#beforeLast = this.#last
          this.#last = chunk
        }
        this.#size += chunk.length
      },
      end: () => {
        this.#resolve({
          status: this.#status,
          session: this.#session,
          bytes: this.#size,
          text: this.#text + endOf(this.#beforeLast) + endOf(this.#last)
        })
      }
    })
    this.#socket
      .on('data', (chunk) => reader.feed(chunk))
      .on('end', () => this.#socket.destroy())
      .on('close', () => this.#reject?.(new Error('the connection closed')))
      .on('error', () => {})
  }

  get closed() {
    return this.#socket.destroyed
  }

  send(request) {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#socket.write(request)
    })
  }

  close() {
    this.#reject = undefined
    this.#socket.destroy()
  }
}
