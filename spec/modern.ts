// Requests of the modern revision (2026-07-28), as a client posts them.

import http from 'node:http'
import type { HttpAnswer, Json } from '../fixtures/clients/raw.js'

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

/** @param id as JSON */
export function bodyOf(id: string, method: string, { _meta, ...params }: Params = {}): string {
  const text = JSON.stringify({ ...params, _meta: { ...meta, ..._meta } })
  return `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)},"params":${text}}`
}

/** The headers that go with it: those that every such request has. */
export function headersOf(method: string, params: Params = {}): Record<string, string> {
  const subject = params.name ?? params.uri
  return {
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    'mcp-protocol-version': version,
    'mcp-method': method,
    ...(typeof subject === 'string' && { 'mcp-name': subject })
  }
}

export interface Stream {
  response: http.IncomingMessage
  /** The messages that have come. */
  messages: Json[]
  /** Resolves when the stream has ended, however it did. */
  ended: Promise<void>
}

/**
 * Posts on a connection of its own, and resolves when the headers of the answer are there.
 *
 * @param onMessage called with each message of an event stream, or with the answer as JSON
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
      const take = (text: string): void => {
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
          if (data) take(data)
        }
      })
      const ended = new Promise<void>((resolve) => {
        response.on('error', () => {}).on('close', () => resolve())
      })
      response.on('end', () => {
        if (!isStream && rest !== '') take(rest)
      })
      resolve({ response, messages, ended })
    })
    request.end(body)
  })
}

/** Posts a request, and resolves to all that came for it: the answer is the last. */
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

/** An answer that is JSON, parsed. */
export const parsed = ({ status, text }: HttpAnswer): { status: number; message: Json } => ({
  status,
  message: JSON.parse(text)
})
