// Keeps undici from ending the process. Its parser asserts that nobody has paused it when the server
// ends or resets the connection, and the assertion fails in a listener of the socket, where nothing
// catches it (nodejs/undici#5360, mended in undici 8, which needs Node 22). Any server can do that: it
// ends a body without a length while the reader has no room.
//
// undici reports each new connection on a diagnostics channel. The listeners here come before those of
// undici and let the parser go on. It gives no more than the rest that it has read already.

import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

/** The part of undici's parser that this file uses. */
interface Parser {
  paused: boolean
  /** Reads what has arrived, until the handler of the response pauses the parser again. */
  resume(): void
  /** The parser in WebAssembly, and its address there. */
  readonly llhttp: { llhttp_resume(address: number): void }
  readonly ptr: number
}

/** Starts to watch the connections of undici. A second call has no effect. */
export function watchParsers(): void {
  if (isWatching) return
  isWatching = true
  subscribe('undici:client:connected', onConnected)
}

let isWatching = false

function onConnected(message: unknown): void {
  const { socket } = message as { socket: Socket & Record<symbol, Parser | null> }
  const symbols = Object.getOwnPropertySymbols(socket)
  const key = symbols.find(({ description }) => description === 'parser')
  if (key === undefined) return
  socket.prependListener('end', () => {
    const parser = socket[key]
    // A body with a length ends here. Any other body ends when undici tells the parser that the
    // connection has ended, so the parser must not stay paused.
    parser?.resume()
    if (parser?.paused !== true) return
    parser.llhttp.llhttp_resume(parser.ptr)
    parser.paused = false
  })
  // After a reset the parser must not read on. It must only not count as paused.
  const onBroken = (): void => {
    const parser = socket[key]
    if (parser) parser.paused = false
  }
  socket.prependListener('error', onBroken)
  socket.prependListener('close', onBroken)
}
