// A server in memory that answers each request. Its results repeat nothing of the request.

import { Duplex } from 'node:stream'
import type { Frame } from '../../../lib/message/frame.ts'
import { jsonOf } from '../../../lib/message/id.ts'
import { parseFrame } from '../../../lib/message/parse-frame.ts'

const serverInfo = '{"name":"s","version":"1"}'

export class EchoServer extends Duplex {
  /** The texts of all messages that came. */
  readonly received: string[] = []
  readonly #mark: string

  /** @param mark a text in each of its results */
  constructor(mark = '') {
    super({ objectMode: true })
    this.#mark = mark
    this.on('error', () => {})
  }

  say(text: string): void {
    if (!this.destroyed && !this.readableEnded) this.push(parseFrame(Buffer.from(text)))
  }

  override _read(): void {}

  override _write(frame: Frame, _encoding: BufferEncoding, callback: () => void): void {
    callback()
    this.received.push(String(frame))
    if (frame.kind !== 'request') return
    const result =
      frame.method === 'initialize'
        ? `{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":${serverInfo}}`
        : `{"resultType":"complete","mark":"${this.#mark}"}`
    this.say(`{"jsonrpc":"2.0","id":${jsonOf(frame.id)},"result":${result}}`)
  }

  override _final(callback: () => void): void {
    this.push(null)
    callback()
  }
}
