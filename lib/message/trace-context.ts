// The trace context of a message (W3C Trace Context and Baggage): `traceparent`, `tracestate` and
// `baggage`. On stdio it is in `params._meta`. Over HTTP it is in `params._meta` (SEP-414), or in headers
// of the same names, as a draft of the transports working group asks (Transport-Native Trace Context
// Propagation).
//
// A value that is not well-formed does not count, and stays where it is.

import { OPEN_BRACE } from '../json/bytes.ts'
import { editObject } from '../json/edit-object.ts'
import { findMembers, findValue, textAt } from '../json/find-value.ts'
import type { Span } from '../json/find-value.ts'
import { skipBlank } from '../json/walker.ts'
import { paths } from '../protocol/paths.ts'
import type { Frame } from './frame.ts'

export interface TraceContext {
  traceparent?: string | undefined
  tracestate?: string | undefined
  baggage?: string | undefined
}

/** The headers of an HTTP request. */
export type Headers = Record<string, string | string[] | undefined>

/** Gets a message of a client and its HTTP headers. Returns the message to pass on. */
export type Trace = (frame: Frame, headers: Headers) => Frame

const names = ['traceparent', 'tracestate', 'baggage'] as const

/** The longest values that the specifications ask a program to pass on. */
const maxState = 512
const maxBaggage = 8192

export interface Parent {
  traceId: string
  spanId: string
  flags: number
}

/** Reads a `traceparent`. Returns undefined if it is not valid. */
export function parseParent(text: string | undefined): Parent | undefined {
  const [, version, traceId = '', spanId = '', flags = ''] =
    /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:-|$)/.exec(text ?? '') ?? []
  if (version === undefined || version === 'ff' || /^0+$/.test(traceId) || /^0+$/.test(spanId)) {
    return undefined
  }
  // Version 00 has no more parts.
  if (version === '00' && text?.length !== 55) return undefined
  return { traceId, spanId, flags: parseInt(flags, 16) }
}

/** Whether a text can be the value of a header. */
const isText = (value: string, max: number): boolean =>
  value.length <= max && /^[\x20-\x7e]+$/.test(value)

/** Returns the well-formed values. `tracestate` needs `traceparent`. */
function wellFormed({ traceparent, tracestate, baggage }: TraceContext): TraceContext {
  const context: TraceContext = {}
  if (traceparent !== undefined && traceparent.length <= maxState && parseParent(traceparent)) {
    context.traceparent = traceparent
    if (tracestate !== undefined && isText(tracestate, maxState)) context.tracestate = tracestate
  }
  if (baggage !== undefined && isText(baggage, maxBaggage)) context.baggage = baggage
  return context
}

/** Returns the trace context in the headers of an HTTP request. */
export function contextOf(headers: Headers): TraceContext {
  const found: TraceContext = {}
  for (const name of names) {
    const value = headers[name]
    if (typeof value === 'string') found[name] = value
  }
  return wellFormed(found)
}

/** Returns the trace context in `params._meta`. */
export const contextIn = ({ bytes }: { bytes: Buffer }): TraceContext => {
  const meta = findValue(bytes, paths.meta)
  return meta === undefined ? {} : contextAt(bytes, meta)
}

function contextAt(bytes: Buffer, meta: Span): TraceContext {
  if (bytes[meta.start] !== OPEN_BRACE) return {}
  const found: TraceContext = {}
  for (const [name, span] of findMembers(bytes, meta.start, [...names])) {
    if (span.end - span.start > 2 * maxBaggage) continue
    const value: unknown = JSON.parse(textAt(bytes, span))
    if (typeof value === 'string') found[name as keyof TraceContext] = value
  }
  return wellFormed(found)
}

/**
 * Returns the context that counts if a message has one in its headers and one in `_meta`. The headers
 * win, because proxies change them. But many proxies begin a trace that they do not record: then a
 * recorded trace in `_meta` wins.
 */
export function chosen(outer: TraceContext, inner: TraceContext): TraceContext {
  const baggage = outer.baggage ?? inner.baggage
  const [h, m] = [parseParent(outer.traceparent), parseParent(inner.traceparent)]
  const isInner =
    h === undefined || (m !== undefined && h.traceId !== m.traceId && !isSampled(h) && isSampled(m))
  const { traceparent, tracestate } = isInner ? inner : outer
  return { traceparent, tracestate, baggage }
}

const isSampled = ({ flags }: Parent): boolean => (flags & 1) === 1

/** Moves the trace context of the headers of a POST into `params._meta` of its message. */
export const moveToMeta: Trace = (frame, headers) => {
  const outer = contextOf(headers)
  if (frame.method === undefined || Object.keys(outer).length === 0) return frame
  return withContext(frame, chosen(outer, contextIn(frame)))
}

/**
 * Writes this trace context into `params._meta` of a request or notification. It replaces the trace
 * context that is there. If `params` or `_meta` is not an object, the message stays as it is.
 */
export function withContext(frame: Frame, context: TraceContext): Frame {
  const { bytes } = frame
  const members = names.flatMap((name) => {
    const value = context[name]
    return value === undefined ? [] : [`"${name}":${JSON.stringify(value)}`]
  })
  const root = { start: skipBlank(bytes, 0), end: bytes.length }
  const end = bytes.lastIndexOf('}') + 1
  const params = findValue(bytes, paths.params)
  const meta = findValue(bytes, paths.meta)
  const add = (object: Span, remove: readonly string[], member: string): Frame =>
    bytes[object.start] === OPEN_BRACE
      ? frame.withBytes(editObject(bytes, object, { remove, add: [member] }))
      : frame
  const all = members.join(',')
  if (params === undefined) return add({ ...root, end }, [], `"params":{"_meta":{${all}}}`)
  if (meta === undefined) return add(params, [], `"_meta":{${all}}`)
  return add(meta, names, all)
}

/** A message without its trace context, and the headers that have it now. */
export interface Moved {
  bytes: Buffer
  headers: Record<string, string>
}

/** Moves the trace context in `params._meta` of a message to headers. */
export function moveToHeaders(bytes: Buffer): Moved {
  const meta = findValue(bytes, paths.meta)
  const context = meta === undefined ? {} : contextAt(bytes, meta)
  const headers = context as Record<string, string>
  const remove = Object.keys(headers)
  if (meta === undefined || remove.length === 0) return { bytes, headers: {} }
  return { bytes: editObject(bytes, meta, { remove }), headers }
}
