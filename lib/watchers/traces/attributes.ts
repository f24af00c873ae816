// The attributes of a span, as OpenTelemetry's conventions for MCP name them. They have no arguments, no
// results and no secrets: the session is the first 8 characters of its id, and a URI has no query.

import type { Frame } from '../../message/frame.ts'
import { jsonOf } from '../../message/id.ts'
import { methods } from '../../protocol/methods.ts'
import type { FactClient } from '../../streams/facts.ts'
import { targetOf } from '../calls.ts'
import { methodLabel } from '../metrics/bounded.ts'

export type Attributes = Record<string, string | number>

/** The longest text of an attribute. Longer ones are cut. */
export const maxText = 256
/** The longest name of a tool or a prompt in the name of a span. */
const maxName = 128

/** The attribute that has the name of what is called, by the method. */
const targets: ReadonlyMap<string, string> = new Map([
  [methods.callTool, 'gen_ai.tool.name'],
  [methods.getPrompt, 'gen_ai.prompt.name'],
  [methods.readResource, 'mcp.resource.uri'],
  [methods.subscribe, 'mcp.resource.uri'],
  [methods.unsubscribe, 'mcp.resource.uri']
])

/** The name of a span, and what is known about a call when its request has come. */
export interface Opening {
  name: string
  attributes: Attributes
}

/** @param url the server that client mode reaches */
export function openingOf(request: Frame, url: URL | undefined): Opening {
  const { method, name } = targetOf(request)
  const id = typeof request.id === 'string' ? request.id : jsonOf(request.id)
  const attributes: Attributes = {
    'mcp.method.name': method.slice(0, maxText),
    'jsonrpc.request.id': id.slice(0, maxText),
    'network.transport': 'tcp',
    'network.protocol.name': 'http',
    'network.protocol.version': '1.1'
  }
  if (url !== undefined) {
    attributes['server.address'] = url.hostname
    attributes['server.port'] = Number(url.port) || (url.protocol === 'https:' ? 443 : 80)
  }
  const key = targets.get(method)
  if (key !== undefined && name !== undefined) attributes[key] = name.slice(0, maxText)
  if (method === methods.callTool) attributes['gen_ai.operation.name'] = 'execute_tool'
  const label = methodLabel(method)
  // There may be any number of URIs, so they are in no name.
  const hasTarget = name !== undefined && key?.startsWith('gen_ai.') === true
  return { name: hasTarget ? `${label} ${name.slice(0, maxName)}` : label, attributes }
}

/** What is known about the client of a call. */
export function clientAttributes({ kind, session, address }: FactClient): Attributes {
  const attributes: Attributes = {}
  if (kind === 'session') attributes['mcp.session.id'] = session.slice(0, 8)
  if (address !== undefined) attributes['client.address'] = address
  return attributes
}
