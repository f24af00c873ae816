// Lets undici read a response to its end when the server has closed the connection while the reading
// was paused.
//
// undici's parser must not be paused at the end of a connection. Its assertion would fail and end
// the process, or it would report a complete response as broken. At the end, undici has all bytes of
// the response, so the pause has no use. The listeners here run before those of undici, and end the
// pause.

import type { Socket } from 'node:net'
import type { Dispatcher } from 'undici'
import symbols from 'undici/lib/core/symbols.js'
import type { Parser } from 'undici/lib/core/symbols.js'

/**
 * Watches the connections of an agent or a pool, and returns it.
 *
 * @param dispatcher emits `connect` with a list of dispatchers, of which the last has the connection
 */
export function readToEnd<Type extends Dispatcher>(dispatcher: Type): Type {
  dispatcher.on('connect', (_origin, targets) => {
    const socket = (targets.at(-1) as unknown as Record<symbol, Socket>)[symbols.kSocket] as Socket
    const onEnd = (): void => readRest(socket)
    for (const event of ['end', 'error', 'close']) socket.prependListener(event, onEnd)
  })
  return dispatcher
}

const nothing = Buffer.alloc(0)

function readRest(socket: Socket): void {
  const parser = (socket as unknown as Record<symbol, Parser | null>)[symbols.kParser]
  if (parser?.paused !== true) return
  resume(parser)
  // undici has all bytes already. This ends a response whose length is known.
  parser.execute(nothing)
  resume(parser)
}

function resume(parser: Parser): void {
  parser.llhttp.llhttp_resume(parser.ptr)
  parser.paused = false
}
