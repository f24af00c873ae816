// Shared by the tests of the transports over HTTP: a scripted server, and the transport to it.

import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import { startHttpServer } from '../../fixtures/servers/http.js'
import type {
  HttpServer,
  HttpServerOptions,
  Json,
  RecordedRequest,
  Script,
  ServerExchange
} from '../../fixtures/servers/http.js'
import { describe, ProxyError } from '../../lib/errors.ts'
import { connectHttp } from '../../lib/http-client/connect-http.ts'
import { connectSse } from '../../lib/http-client/connect-sse.ts'
import { connectUrl } from '../../lib/http-client/connect-url.ts'
import type { HttpOptions } from '../../lib/http-client/http-options.ts'
import type { Frame } from '../../lib/message/frame.ts'
import type { Message } from '../../lib/protocol/json-rpc.ts'
import { KeptLog, notification, request, watch } from '../helpers.ts'
import type { Watched } from '../helpers.ts'

export interface Connected extends Watched {
  server: HttpServer
  transport: Duplex
  log: KeptLog
  /** Opens the session, and resolves when the server has acknowledged `initialized`. */
  initialize(protocolVersion?: string): Promise<Message>
  /** Writes a frame, and resolves to the error of the write, if there was one. */
  write(frame: Frame): Promise<Error | undefined>
}

type Options = Partial<HttpOptions> & { server?: HttpServerOptions }

export async function serve(
  t: Test,
  script?: Script,
  how?: HttpServerOptions
): Promise<HttpServer> {
  const server = await startHttpServer(script, how)
  t.teardown(() => server.close())
  return server
}

/** Watches the transport, and destroys it at the end of the test. */
export function hold(t: Test, transport: Duplex, server: HttpServer, log: KeptLog): Connected {
  const watched = watch(transport)
  t.teardown(async () => {
    transport.destroy()
    await watched.closed
  })
  const write = (frame: Frame): Promise<Error | undefined> =>
    new Promise((resolve) => transport.write(frame, (error) => resolve(error ?? undefined)))
  const initialize = async (protocolVersion = '2025-11-25'): Promise<Message> => {
    transport.write(opening(protocolVersion))
    const answer = await watched.answer('init')
    await write(initialized)
    return answer
  }
  return { ...watched, server, transport, log, initialize, write }
}

const connectWith =
  (connect: (options: HttpOptions) => Duplex, path: (server: HttpServer) => string) =>
  async (
    t: Test,
    script?: Script,
    { server: how, ...options }: Options = {}
  ): Promise<Connected> => {
    const server = await serve(t, script, how)
    const log = new KeptLog()
    return hold(t, connect({ url: path(server), log, ...options }), server, log)
  }

export const overHttp = connectWith(connectHttp, ({ url }) => url)
export const overSse = connectWith(connectSse, ({ sseUrl }) => sseUrl)
export const overUrl = connectWith(connectUrl, ({ url }) => url)

export const opening = (protocolVersion = '2025-11-25'): Frame =>
  request('init', 'initialize', {
    protocolVersion,
    capabilities: {},
    clientInfo: { name: 'spec', version: '1.0.0' }
  })

export const initialized = notification('notifications/initialized')

/** A frame, or its text, as a value to compare. */
export const parsed = (frame: Frame | undefined): Message | undefined => frame?.message()

/** The requests that the server got with one HTTP method. */
export const sent = (server: HttpServer, method: string): RecordedRequest[] =>
  server.received.filter((request) => request.method === method)

/** The code and the text of an error, as a log shows them. */
export function shown(error: Error | undefined): { code: string | undefined; text: string } {
  return { code: error instanceof ProxyError ? error.code : undefined, text: describe(error) }
}

/** Answers each method as given, and all others as a well-behaved server. */
export const byMethod =
  (answers: Record<string, (exchange: ServerExchange, message: Json) => unknown>) =>
  (message: Json, exchange: ServerExchange): unknown =>
    (answers[message.method as string] ?? exchange.byDefault)(exchange, message)

/** A promise and the function that resolves it. */
export function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}
