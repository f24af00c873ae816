// Makes requests of the modern revision (2026-07-28), posts them, and reads the response: JSON or an
// event stream.

import http from 'node:http'
import type { HttpResponse, Json } from '../fixtures/clients/raw.js'
import { until } from './helpers.ts'

export const version = '2026-07-28'

export const meta = {
  'io.modelcontextprotocol/protocolVersion': version,
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1.0.0' },
  'io.modelcontextprotocol/clientCapabilities': {}
}

export interface Params {
  _meta?: object
  [name: string]: unknown
}

/** @param id as JSON, for example '"a"' or '1.0' */
export function bodyOf(id: string, method: string, { _meta, ...params }: Params = {}): string {
  const text = JSON.stringify({ ...params, _meta: { ...meta, ..._meta } })
  return `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)},"params":${text}}`
}

/** The headers that every modern request needs. */
export function headersOf(method: string, params: Params = {}): Record<string, string> {
  const name = params.name ?? params.uri
  return {
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    'mcp-protocol-version': version,
    'mcp-method': method,
    ...(typeof name === 'string' && { 'mcp-name': name })
  }
}

export interface Stream {
  response: http.IncomingMessage
  /** The messages received so far. */
  messages: Json[]
  /** Resolves when the stream has ended, also with an error. */
  ended: Promise<void>
}

/**
 * Posts on a new connection. Resolves when the headers of the HTTP response have arrived.
 *
 * @param onMessage called with each message, of an event stream or of a JSON body
 */
export function post(
  url: string | URL,
  body: string,
  headers: http.OutgoingHttpHeaders,
  onMessage: (message: Json, text: string) => void = () => {}
): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: 'POST', headers, agent: false })
    request.on('error', reject).on('response', (response) => {
      const messages: Json[] = []
      const receive = (text: string): void => {
        const message: Json = JSON.parse(text)
        messages.push(message)
        onMessage(message, text)
      }
      const isStream = response.headers['content-type'] === 'text/event-stream'
      let rest = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        rest += chunk
        if (!isStream) return
        const events = rest.split('\n\n')
        rest = events.pop() ?? ''
        for (const event of events) {
          const data = /^data: ?(.*)$/m.exec(event)?.[1]
          if (data) receive(data)
        }
      })
      const ended = new Promise<void>((resolve) => {
        response.on('error', () => {}).on('close', () => resolve())
      })
      response.on('end', () => {
        if (!isStream && rest !== '') receive(rest)
      })
      resolve({ response, messages, ended })
    })
    request.end(body)
  })
}

/** Posts a request. Resolves to every message of the HTTP response; the last is the response. */
export async function ask(
  url: string | URL,
  id: string,
  method: string,
  params: Params = {},
  headers: http.OutgoingHttpHeaders = {}
): Promise<{ status: number | undefined; messages: Json[]; texts: string[] }> {
  const texts: string[] = []
  const all = { ...headersOf(method, params), ...headers }
  const { response, messages, ended } = await post(
    url,
    bodyOf(id, method, params),
    all,
    (_, text) => texts.push(text)
  )
  await ended
  return { status: response.statusCode, messages, texts }
}

/** Calls a tool. Resolves to the response, its text, and the messages before it. */
export async function callTool(
  url: string | URL,
  id: string,
  name: string,
  args: object = {},
  more: Params = {}
): Promise<{
  status: number | undefined
  response: Json
  text: string | undefined
  before: Json[]
}> {
  const params = { name, arguments: args, ...more }
  const { messages, status } = await ask(url, id, 'tools/call', params)
  const response = messages.at(-1)
  return { status, response, text: textOf(response), before: messages.slice(0, -1) }
}

/** The text of a tool's result. */
export const textOf = (response: Json): string | undefined => response?.result?.content?.[0]?.text

/** Opens a subscription. Resolves when the server has acknowledged it. */
export async function subscribe(
  url: string | URL,
  id: string,
  notifications: object
): Promise<Stream> {
  const method = 'subscriptions/listen'
  const stream = await post(url, bodyOf(id, method, { notifications }), headersOf(method))
  await until(() => stream.messages.length > 0)
  return stream
}

/** An HTTP response with its JSON body parsed. */
export const parsed = ({ status, text }: HttpResponse): { status: number; message: Json } => ({
  status,
  message: JSON.parse(text)
})
