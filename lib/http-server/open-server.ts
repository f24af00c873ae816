// Opens the HTTP or HTTPS server that a listener uses.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { ProxyError } from '../errors.ts'
import { HttpRequest } from './request/http-request.ts'
import { HttpResponse } from './request/http-response.ts'

/** The certificate and the key for HTTPS, in PEM format. */
export interface Tls {
  cert: Buffer | string
  key: Buffer | string
}

/** The listener itself refuses a request without `Host`, because Node would not set our headers. */
const httpOptions = {
  requireHostHeader: false,
  IncomingMessage: HttpRequest,
  ServerResponse: HttpResponse
}

/**
 * Resolves to a server that listens on the address.
 *
 * @param tls without it, the server is one for plain HTTP
 * @throws ProxyError `ERR_LISTEN`
 */
export async function openServer(
  host: string,
  port: number,
  tls: Tls | undefined
): Promise<Server> {
  const http = tls === undefined ? createServer(httpOptions) : await createSecureServer(tls)
  try {
    await once(http.listen(port, host), 'listening')
  } catch (cause) {
    const message = `cannot listen on ${host}:${port}`
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') {
      throw new ProxyError('ERR_LISTEN', message, { cause })
    }
    const advice = 'the port is taken; choose another with --port'
    throw new ProxyError('ERR_LISTEN', `${message}: ${advice}`)
  }
  return http
}

async function createSecureServer(tls: Tls): Promise<Server> {
  const { createServer } = await import('node:https')
  try {
    return createServer({ ...tls, ...httpOptions })
  } catch (cause) {
    throw unusable(cause)
  }
}

/** @throws ProxyError `ERR_LISTEN` if a certificate and its key cannot be used */
export async function checkTls(tls: Tls): Promise<void> {
  const { createSecureContext } = await import('node:tls')
  try {
    createSecureContext(tls)
  } catch (cause) {
    throw unusable(cause)
  }
}

const unusable = (cause: unknown): ProxyError =>
  new ProxyError('ERR_LISTEN', 'the TLS certificate and key cannot be used', { cause })
