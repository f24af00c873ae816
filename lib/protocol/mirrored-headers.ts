// The headers that mirror a message of the modern revision, so that what lies between can route it
// without reading it (2026-07-28, Streamable HTTP, Request Metadata). The client's side writes them,
// the server's side checks them against the body.

import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import { ProxyError } from '../errors.ts'
import { versionKey } from '../message/frame.ts'
import type { Message } from '../message/frame.ts'

/** A parameter of a tool that is mirrored in the header `Mcp-Param-{name}`. */
export interface MirroredParam {
  /** The header's name, in lower case. */
  header: string
  /** Where the argument is: names of members, from the root of the arguments. */
  path: string[]
  type: 'string' | 'integer' | 'boolean'
}

/** A tool as `tools/list` describes it, as far as it matters here. */
export interface Tool {
  name: string
  inputSchema?: unknown
}

/** The methods whose subject is named in `Mcp-Name`, and the member of their params that names it. */
const subjects = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  // The extension io.modelcontextprotocol/tasks asks for these.
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId']
])

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/**
 * Reads the annotations `x-mcp-header` of a tool.
 *
 * @returns the parameters to be mirrored, or why the tool's definition is invalid
 */
export function mirroredParams(tool: Tool): MirroredParam[] | string {
  const params: MirroredParam[] = []
  const fault = collect(tool.inputSchema, [], true, params)
  if (fault !== undefined) return fault
  const names = params.map(({ header }) => header)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  return twice === undefined ? params : `two parameters are mirrored in ${twice}`
}

/**
 * @param path leads to `schema`, as long as it is `reachable`: by way of `properties` alone
 */
function collect(
  schema: unknown,
  path: string[],
  reachable: boolean,
  params: MirroredParam[]
): string | undefined {
  if (Array.isArray(schema)) return firstFault(schema, (item) => collect(item, path, false, params))
  if (!isObject(schema)) return undefined
  if ('x-mcp-header' in schema) {
    const name = schema['x-mcp-header']
    const { type } = schema
    const where = path.join('.') || 'the schema itself'
    if (typeof name !== 'string' || !token.test(name)) {
      return `${where}: no header can have that name`
    }
    if (!reachable || path.length === 0) return `${where}: is not reachable by properties alone`
    if (type !== 'string' && type !== 'integer' && type !== 'boolean') {
      return `${where}: only strings, integers and booleans can be mirrored`
    }
    params.push({ header: `mcp-param-${name.toLowerCase()}`, path, type })
  }
  return firstFault(Object.entries(schema), ([key, value]) => {
    if (key !== 'properties' || !isObject(value)) return collect(value, path, false, params)
    return firstFault(Object.entries(value), ([name, property]) =>
      collect(property, [...path, name], reachable, params)
    )
  })
}

/** The headers of a POST with `message`. `params` are those of the tool that it calls. */
export function mirrorHeaders(message: Message, params: MirroredParam[]): Record<string, string> {
  const headers: Record<string, string> = {}
  const { version, method, name } = mirrored(message)
  if (version !== undefined) headers['mcp-protocol-version'] = version
  if (method !== undefined) headers['mcp-method'] = method
  if (name !== undefined) headers['mcp-name'] = encodeValue(name)
  for (const { header, path } of params) {
    const value = argumentAt(message, path)
    if (value !== undefined) headers[header] = encodeValue(value)
  }
  return headers
}

/**
 * Checks the headers of a POST against its body (2026-07-28, Streamable HTTP, Server Validation).
 *
 * @throws ProxyError `ERR_HEADER_MISMATCH`
 */
export function checkHeaders(
  headers: IncomingHttpHeaders,
  message: Message,
  params: MirroredParam[]
): void {
  const { version, method, name } = mirrored(message)
  const check = (header: string, isSame: (text: string) => boolean): void => {
    const text = headers[header]
    if (typeof text !== 'string') throw mismatch(`the header ${header} is missing`)
    if (!isSame(text)) throw mismatch(`the header ${header} says something else than the body`)
  }
  check('mcp-protocol-version', (text) => text === version)
  check('mcp-method', (text) => text === method)
  if (name !== undefined) check('mcp-name', (text) => decodeValue(text) === name)
  for (const { header, path, type } of params) {
    const value = argumentAt(message, path)
    if (value !== undefined) check(header, (text) => isSameValue(decodeValue(text), value, type))
    else if (headers[header] !== undefined) throw mismatch(`the header ${header} is of no argument`)
  }
}

function mirrored({ method, params = {} }: Message): {
  version: string | undefined
  method: string | undefined
  name: string | undefined
} {
  const meta = isObject(params._meta) ? params._meta : {}
  const subject = subjects.get(method ?? '')
  return {
    version: stringOf(meta[versionKey]),
    method,
    name: subject && stringOf(params[subject])
  }
}

/** The text of an argument. What is absent, null, or not of a type that can be mirrored has none. */
function argumentAt({ params }: Message, path: string[]): string | undefined {
  let value: unknown = params?.arguments
  for (const name of path) value = isObject(value) ? value[name] : undefined
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined
}

const sentinel = /^=\?base64\?(.*)\?=$/

/** A value as a header can carry it (2026-07-28, Streamable HTTP, Value Encoding). */
export function encodeValue(value: string): string {
  const isPlain = /^[\x20-\x7e\t]*$/.test(value) && value.trim() === value && !sentinel.test(value)
  return isPlain ? value : `=?base64?${Buffer.from(value).toString('base64')}?=`
}

/** The value that a header carries, or `undefined` if it cannot be decoded. */
export function decodeValue(text: string): string | undefined {
  if (!/^[\x20-\x7e\t]*$/.test(text)) return undefined
  const encoded = sentinel.exec(text)?.[1]
  if (encoded === undefined) return text
  const bytes = Buffer.from(encoded, 'base64')
  // Node decodes whatever it is given; only what encodes to the same is what was meant.
  const isExact = isUtf8(bytes) && bytes.toString('base64') === encoded
  return isExact ? bytes.toString() : undefined
}

const isSameValue = (
  told: string | undefined,
  value: string,
  type: MirroredParam['type']
): boolean =>
  told === value || (type === 'integer' && told !== '' && Number(told) === Number(value))

const mismatch = (message: string): ProxyError => new ProxyError('ERR_HEADER_MISMATCH', message)

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
