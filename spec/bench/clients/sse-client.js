// A client of HTTP+SSE. It opens an event stream with a GET and reads the endpoint for its POSTs from
// the first event. The responses arrive on the event stream.

import { connect } from 'node:net'
import { PendingRequests } from './pending-requests.js'
import { ResponseReader } from './response-reader.js'
import { SessionClient } from './session-client.js'

export class SseClient extends SessionClient {
  #pending = new PendingRequests()
  #stream
  /** A promise of the client that sends the POSTs. */
  #poster

  constructor({ port, path, raw }) {
    super({ port, path, raw })
    this.#stream = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#stream.write(
      `GET ${path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n`
    )
    this.#poster = new Promise((resolve, reject) => {
      let endpoint = ''
      const reader = new ResponseReader({
        head: (status) => status === 200 || reject(new Error(`GET ${path}: ${status}`)),
        data: (chunk) => {
          if (endpoint !== undefined) {
            endpoint += chunk
            const [, reference] = /^data: *(\S+)\r?\n\r?\n/m.exec(endpoint) ?? []
            if (reference === undefined) return
            endpoint = undefined
            const { pathname, search } = new URL(reference, `http://localhost${path}`)
            resolve(new SessionClient({ port, path: pathname + search, raw }))
          } else this.#pending.feed(chunk)
        },
        end: () => {}
      })
      this.#stream.on('data', (chunk) => reader.feed(chunk)).on('error', reject)
    })
  }

  async send(body, id) {
    const poster = await this.#poster
    const response = id === undefined ? undefined : this.#pending.add(id)
    const { status, text } = await poster.post(body, {})
    if (status !== 202) throw new Error(`${status} ${text}`)
    return response
  }

  close() {
    this.#stream.destroy()
    void this.#poster.then((poster) => poster.close())
  }
}
