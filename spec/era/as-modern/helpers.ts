// A legacy server in memory, and modern clients of it.

import type { Test } from 'tap'
import type { Json } from '../../../fixtures/clients/raw.js'
import { asModern } from '../../../lib/era/as-modern.ts'
import type { AsModernOptions, ModernServer } from '../../../lib/era/as-modern.ts'
import type { Frame } from '../../../lib/message/frame.ts'
import { TextServer, clientOn, turn } from '../../wrappers/text-server.ts'
import type { Client } from '../../wrappers/text-server.ts'

export { until } from '../../helpers.ts'
export { turn }

export const prefix = 'io.modelcontextprotocol/'

export const serverInfo = { name: 'old', version: '1' }

const initializeResult = {
  protocolVersion: '2025-11-25',
  capabilities: {
    tools: { listChanged: true },
    prompts: {},
    resources: { subscribe: true, listChanged: true },
    logging: {}
  },
  serverInfo
}

/** Everything that a client may support. */
export const asking = {
  elicitation: { form: {}, url: {} },
  sampling: { tools: {} },
  roots: {}
}

export const form = {
  mode: 'form',
  message: 'Name?',
  requestedSchema: { type: 'object', properties: { name: { type: 'string' } } }
}

export type Handler = (frame: Frame, server: LegacyServer) => void

/** A legacy server that answers `initialize`, and leaves the other messages to `onRequest`. */
export class LegacyServer extends TextServer {
  result: object = initializeResult

  constructor(onRequest: Handler) {
    super()
    this.onFrame = (frame) => {
      if (frame.kind === 'request' && frame.method === 'initialize') {
        this.say({ id: frame.id, result: this.result })
      } else onRequest(frame, this)
    }
  }

  /** Asks the client. Resolves to the response. */
  async ask(id: string | number, method: string, params?: object): Promise<Json> {
    this.say({ id, method, ...(params && { params }) })
    const response = await this.received.until((frame) => !frame.method && frame.id === id)
    return response?.message()
  }

  respond({ id }: Frame, result: object): void {
    this.say({ id, result })
  }
}

export interface Request {
  id?: string | number
  method: string
  params?: Record<string, unknown>
  meta?: Record<string, unknown>
}

export interface ModernClient extends Client {
  /** Sends a modern request. Resolves to the response. */
  call(request: Request): Promise<Json>
  /** Sends a modern request. */
  start(request: Request): Promise<void>
}

export interface Setup {
  modern: ModernServer
  /** Every server that was started. */
  servers: LegacyServer[]
  connect(options?: { capabilities?: object; name?: string; principal?: string }): ModernClient
}

/** @param change changes each new server before it is used */
export function setUp(
  t: Test,
  onRequest: Handler,
  options: AsModernOptions = {},
  change: (server: LegacyServer) => void = () => {}
): Setup {
  const servers: LegacyServer[] = []
  const connectServer = (): LegacyServer => {
    const server = new LegacyServer(onRequest)
    change(server)
    servers.push(server)
    return server
  }
  const modern = asModern(connectServer, options)
  t.teardown(() => modern.destroy())
  const connect: Setup['connect'] = ({ capabilities = {}, name = 'test', principal } = {}) => {
    const client = clientOn(modern.port(principal))
    let lastId = 0
    const start = ({ id = ++lastId, method, params, meta }: Request): Promise<void> => {
      const _meta = {
        [`${prefix}protocolVersion`]: '2026-07-28',
        [`${prefix}clientInfo`]: { name, version: '1' },
        [`${prefix}clientCapabilities`]: capabilities,
        ...meta
      }
      return client.send({ id, method, params: { ...params, _meta } })
    }
    const call = async (request: Request): Promise<Json> => {
      const id = request.id ?? lastId + 1
      await start(request)
      const frame = await client.frames.until(
        (frame) => frame.kind === 'response' && frame.id === id
      )
      return frame?.message()
    }
    return { ...client, start, call }
  }
  return { modern, servers, connect }
}

/** The request that continues `request`, with the answers to the questions of a response. */
export function retry(request: Request, response: Json, answers?: object): Request {
  const { requestState, inputRequests } = response.result
  const inputResponses =
    answers ??
    Object.fromEntries(Object.keys(inputRequests).map((key) => [key, { action: 'accept' }]))
  return {
    ...request,
    params: { ...request.params, requestState, inputResponses }
  }
}
