// Answers bytes that are not an HTTP request. For such bytes Node has no response object, so this
// writes the HTTP response itself. Node would do the same, but without the header `noSniff`. This
// file also refuses requests without the header `Host`.

import { STATUS_CODES } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { ProxyError } from '../../errors.ts'
import { publishRefusal } from '../../streams/facts.ts'
import { peerAddress } from '../callers/address.ts'
import { noSniff } from '../write-head.ts'

/** The statuses of Node's errors. All other errors get 400. */
const statuses = new Map<string | undefined, number>([
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 413],
  ['HPE_HEADER_OVERFLOW', 431]
])

/** Sends the HTTP response to a broken request, and closes the connection. */
export function refuseBroken({ code }: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const error = new ProxyError('ERR_REQUEST', 'the request is not HTTP')
  publishRefusal({ address: peerAddress(socket.remoteAddress), error })
  const status = statuses.get(code) ?? 400
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Length: 0',
    noSniff.join(': ')
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  socket.destroySoon()
}

/** @throws ProxyError `ERR_REQUEST` for HTTP/1.1 without `Host`, as RFC 9112 demands */
export function checkHasHost({ httpVersion, headers }: IncomingMessage): void {
  if (headers.host !== undefined || httpVersion !== '1.1') return
  throw new ProxyError('ERR_REQUEST', 'the request has no Host header')
}
