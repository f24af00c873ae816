// The HTTP headers that repeat (mirror) parts of a message of the modern revision. With them a load
// balancer can route the message without its body (2026-07-28, Streamable HTTP, Request Metadata).
// `http-client` writes these headers. `http-server` compares them with the body.

import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import { headerNames } from './headers.ts'
import type { Message } from './json-rpc.ts'
import { metaKeys } from './meta-keys.ts'
import { methods } from './methods.ts'

/** A parameter of a tool whose value is repeated in the header `Mcp-Param-{name}`. */
export interface MirroredParam {
  /** The header's name, in lower case. */
  header: string
  /** The path to the value: the names of the members, from `params.arguments` of the call. */
  path: string[]
  type: 'string' | 'integer' | 'boolean'
}

/** The members of a tool in `tools/list` that this file reads. */
export interface Tool {
  name: string
  inputSchema?: unknown
}

/**
 * For each method that needs the header `Mcp-Name`: the member of `params` that this header
 * repeats.
 */
const subjects = new Map<string, string>([
  [methods.callTool, 'name'],
  [methods.getPrompt, 'name'],
  [methods.readResource, 'uri'],
  // These methods belong to the extension io.modelcontextprotocol/tasks.
  [methods.getTask, 'taskId'],
  [methods.updateTask, 'taskId'],
  [methods.cancelTask, 'taskId']
])

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/**
 * Whether an entry of a tool list is an object with a name. A server may send other values, too.
 */
export function isTool(entry: unknown): entry is Tool {
  return isObject(entry) && typeof entry.name === 'string'
}

/**
 * Reads the annotations `x-mcp-header` of a tool.
 *
 * @returns the parameters that a client must mirror, or a string that says why the definition of
 * the tool is invalid
 */
export function mirroredParams(tool: Tool): MirroredParam[] | string {
  const params = collect(tool.inputSchema)
  if (typeof params === 'string') return params
  const headers = new Set<string>()
  for (const { header } of params) {
    if (headers.has(header)) return `two parameters are mirrored in ${header}`
    headers.add(header)
  }
  return params
}

/**
 * The last name of a path. Each name links to the name before it. A copy of the path for each name
 * would take quadratic time.
 */
interface PathEnd {
  name: string
  depth: number
  before: PathEnd | undefined
}

/** An object or array inside the schema of a tool, which may contain mirrored parameters. */
interface Place {
  value: object
  /** The path to the value. Undefined at the root of the schema. */
  path: PathEnd | undefined
  /**
   * True if each step of the path is a member of `properties`. Else the parameter cannot be
   * mirrored.
   */
  reachable: boolean
}

/**
 * A mirrored parameter may not be nested deeper than this. Each tool call follows the path of each
 * parameter, so a limit saves time.
 */
const maxDepth = 64

// Returns the mirrored parameters of a schema, in document order, or why the schema is invalid. It
// uses a loop, because recursion would overflow the stack on a deeply nested schema. `open` is a
// stack, so the members of an object are added to it in reverse order.
function collect(root: unknown): MirroredParam[] | string {
  const params: MirroredParam[] = []
  const open: Place[] = []
  const add = (value: unknown, path: PathEnd | undefined, reachable: boolean): void => {
    if (typeof value === 'object' && value !== null) open.push({ value, path, reachable })
  }
  add(root, undefined, true)
  for (let place; (place = open.pop()) !== undefined;) {
    const { value, path, reachable } = place
    if ('x-mcp-header' in value) {
      const param = readAnnotation(place)
      if (typeof param === 'string') return param
      params.push(param)
    }
    for (const [key, inner] of Object.entries(value).reverse()) {
      if (key !== 'properties' || !isObject(inner)) {
        add(inner, path, false)
        continue
      }
      const depth = (path?.depth ?? 0) + 1
      for (const [name, property] of Object.entries(inner).reverse()) {
        add(property, { name, depth, before: path }, reachable)
      }
    }
  }
  return params
}

function readAnnotation({ value, path, reachable }: Place): MirroredParam | string {
  const { 'x-mcp-header': name, type } = value as Record<string, unknown>
  if (path !== undefined && path.depth > maxDepth) {
    return `a parameter at depth ${path.depth}: the proxy mirrors none below depth ${maxDepth}`
  }
  const names: string[] = []
  for (let end = path; end !== undefined; end = end.before) names.unshift(end.name)
  const where = names.join('.') || 'the schema itself'
  if (typeof name !== 'string' || !token.test(name)) return `${where}: no header can have that name`
  if (!reachable || path === undefined) return `${where}: is not reachable by properties alone`
  if (type !== 'string' && type !== 'integer' && type !== 'boolean') {
    return `${where}: only strings, integers and booleans can be mirrored`
  }
  return { header: `${headerNames.paramPrefix}${name.toLowerCase()}`, path: names, type }
}

/** Names the members of a message that `mirrorHeaders` and `findMismatch` read. */
interface MessageShape {
  [name: string]: true | MessageShape
}

/**
 * Returns the members of a message that `mirrorHeaders` and `findMismatch` read.
 *
 * @param params the mirrored parameters of the called tool
 */
export function mirroredMembers(params: MirroredParam[]): MessageShape {
  const names: MessageShape = {}
  for (const name of subjects.values()) names[name] = true
  const meta = { [metaKeys.protocolVersion]: true, [metaKeys.clientCapabilities]: true } as const
  return { method: true, params: { ...names, _meta: meta, arguments: argumentsShape(params) } }
}

function argumentsShape(params: MirroredParam[]): MessageShape {
  const root = Object.create(null) as MessageShape
  for (const { path } of params) {
    let at = root
    for (const name of path.slice(0, -1)) {
      let inner = at[name]
      if (inner === undefined || inner === true) {
        inner = Object.create(null) as MessageShape
        at[name] = inner
      }
      at = inner
    }
    // A longer path may go through this value. Then it is an object, which no header repeats.
    at[path.at(-1) as string] ??= true
  }
  return root
}

/**
 * Returns the headers for a POST with `message`. `params` are the mirrored parameters of the called
 * tool.
 */
export function mirrorHeaders(message: Message, params: MirroredParam[]): Record<string, string> {
  const headers: Record<string, string> = {}
  const { version, method, name } = mirrored(message)
  if (version !== undefined) headers[headerNames.protocolVersion] = version
  if (method !== undefined) headers[headerNames.method] = method
  if (name !== undefined) headers[headerNames.name] = encodeValue(name)
  for (const { header, path } of params) {
    const value = argumentAt(message, path)
    if (value !== undefined) headers[header] = encodeValue(value)
  }
  return headers
}

/**
 * Compares the headers of a POST with its body (2026-07-28, Streamable HTTP, Server Validation).
 *
 * @returns a text about the first difference, or `undefined` if there is none
 */
export function findMismatch(
  headers: IncomingHttpHeaders,
  message: Message,
  params: MirroredParam[]
): string | undefined {
  const compareParam = ({ header, path, type }: MirroredParam): string | undefined => {
    const value = argumentAt(message, path)
    const text = headers[header]
    if (value === undefined) {
      return text === undefined ? undefined : `the header ${header} mirrors no argument`
    }
    if (typeof text !== 'string') return missing(header)
    return isSameValue(decodeValue(text), value, type) ? undefined : differs(header)
  }
  return findHeadMismatch(headers, mirrored(message)) ?? firstFault(params, compareParam)
}

/** The parts of a message that headers repeat for each method. */
export interface MirroredHead {
  /** The revision in `_meta`. */
  version: string | undefined
  method: string | undefined
  /** The member of `params` that `Mcp-Name` repeats (see `subjectOf`), if it is a string. */
  name: string | undefined
}

/** Works like `findMismatch`, for a message without mirrored parameters. */
export function findHeadMismatch(
  headers: IncomingHttpHeaders,
  { version, method, name }: MirroredHead
): string | undefined {
  return (
    compare(headers, headerNames.protocolVersion, version) ??
    compare(headers, headerNames.method, method) ??
    (name === undefined ? undefined : compare(headers, headerNames.name, name, decodeValue))
  )
}

/** Returns the name of the member of `params` that the header `Mcp-Name` repeats. */
export const subjectOf = (method = ''): string | undefined => subjects.get(method)

/** @param decode returns the value of the header (default: its text) */
function compare(
  headers: IncomingHttpHeaders,
  header: string,
  value: string | undefined,
  decode?: (text: string) => string | undefined
): string | undefined {
  const text = headers[header]
  if (typeof text !== 'string') return missing(header)
  return (decode === undefined ? text : decode(text)) === value ? undefined : differs(header)
}

const missing = (header: string): string => `the header ${header} is missing`
const differs = (header: string): string => `the header ${header} differs from the body`

function mirrored({ method, params = {} }: Message): MirroredHead {
  const meta = isObject(params._meta) ? params._meta : {}
  const subject = subjectOf(method)
  return {
    version: stringOf(meta[metaKeys.protocolVersion]),
    method,
    name: subject && stringOf(params[subject])
  }
}

/** Returns an argument as text, or undefined if it is absent, null, an object or an array. */
function argumentAt({ params }: Message, path: string[]): string | undefined {
  let value: unknown = params?.arguments
  for (const name of path) value = isObject(value) ? value[name] : undefined
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined
}

const sentinel = /^=\?base64\?(.*)\?=$/

/** Encodes a value for a header (2026-07-28, Streamable HTTP, Value Encoding). */
export function encodeValue(value: string): string {
  const isPlain = /^[\x20-\x7e\t]*$/.test(value) && value.trim() === value && !sentinel.test(value)
  return isPlain ? value : `=?base64?${Buffer.from(value).toString('base64')}?=`
}

/** Decodes the value of a header. Returns undefined if the encoding is wrong. */
export function decodeValue(text: string): string | undefined {
  if (!/^[\x20-\x7e\t]*$/.test(text)) return undefined
  const encoded = sentinel.exec(text)?.[1]
  if (encoded === undefined) return text
  const bytes = Buffer.from(encoded, 'base64')
  // Node also decodes invalid base64. So encode the result again: only valid base64 gives the same
  // text.
  const isExact = isUtf8(bytes) && bytes.toString('base64') === encoded
  return isExact ? bytes.toString() : undefined
}

const isSameValue = (
  told: string | undefined,
  value: string,
  type: MirroredParam['type']
): boolean =>
  told === value || (type === 'integer' && told !== '' && Number(told) === Number(value))

function firstFault<Item>(
  items: Item[],
  check: (item: Item) => string | undefined
): string | undefined {
  for (const item of items) {
    const fault = check(item)
    if (fault !== undefined) return fault
  }
  return undefined
}

const stringOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
