// Turns responses of a modern server into what a legacy client understands.
//
// Members that only the modern revision has are removed. A tool may have any JSON value as its
// structured result, but legacy revisions allow only objects. So another value, and the schema of
// it, are removed, and the value becomes a text. Older revisions lack some kinds of content: audio
// becomes an embedded resource, which carries the same bytes, and a link becomes a text.

import { OPEN_BRACE, OPEN_BRACKET } from '../../json/bytes.ts'
import { editObject } from '../../json/edit-object.ts'
import { findValue, stringAt, textAt, valueText } from '../../json/find-value.ts'
import type { Span } from '../../json/find-value.ts'
import { elementsOf } from '../../json/split-array.ts'
import { splice, spliceAt } from '../../json/splice.ts'
import type { Change } from '../../json/splice.ts'
import { skipBlank } from '../../json/walker.ts'
import type { Frame } from '../../message/frame.ts'
import { idOf } from '../../message/id.ts'
import { errorCodes } from '../../protocol/error-codes.ts'
import { metaKeys } from '../../protocol/meta-keys.ts'
import { methods } from '../../protocol/methods.ts'
import { paths } from '../../protocol/paths.ts'
import type { LegacyVersion } from '../../protocol/revisions.ts'

/** The members of results that legacy revisions do not have. */
const modernMembers = ['resultType', 'ttlMs', 'cacheScope']
const modernMeta = [metaKeys.serverInfo, metaKeys.subscriptionId]

/**
 * Returns the response with the client's id, and without what a legacy client does not know.
 *
 * @param idText the id of the client's request, as JSON text
 * @param method the method of the request
 */
export function legacyResponse(
  response: Frame,
  idText: string,
  method: string,
  version: LegacyVersion
): Frame {
  let { bytes } = response
  const result = findValue(bytes, ['result'])
  if (result !== undefined && bytes[result.start] === OPEN_BRACE) {
    bytes = withoutModernMembers(bytes, result)
    if (method === methods.listTools) bytes = withObjectSchemas(bytes)
    if (method === methods.callTool) bytes = withObjectResult(bytes)
    if (version < '2025-06-18') bytes = withOldContent(bytes, method, version)
  } else if (method === methods.readResource && response.errorCode === errorCodes.invalidParams) {
    // For an unknown resource, legacy revisions have this code. The modern revision has only the
    // general code for wrong parameters.
    const text = String(errorCodes.resourceNotFound)
    bytes = splice(bytes, [{ path: ['error', 'code'], text }])
  }
  // The id keeps its text, so that it arrives byte for byte.
  bytes = splice(bytes, [{ path: paths.id, text: idText }])
  return response.withBytes(bytes, idOf(idText))
}

export function withoutModernMembers(bytes: Buffer, result: Span): Buffer {
  const meta = valueText(bytes, ['result', '_meta'])
  if (meta?.startsWith('{') !== true) return editObject(bytes, result, { remove: modernMembers })
  const all = Buffer.from(meta)
  const rest = editObject(all, findValue(all, []) as Span, { remove: modernMeta }).toString()
  const add = rest === '{}' ? [] : [`"_meta":${rest}`]
  return editObject(bytes, result, { remove: [...modernMembers, '_meta'], add })
}

/** Removes from the tools of a list each schema of a result that need not be an object. */
function withObjectSchemas(bytes: Buffer): Buffer {
  const list = findValue(bytes, paths.tools)
  if (list === undefined || bytes[list.start] !== OPEN_BRACKET) return bytes
  const changes: Change[] = []
  for (const { start, end } of firstObjects(bytes, list.start)) {
    const tool = bytes.subarray(start, end)
    if (findValue(tool, ['outputSchema']) === undefined) continue
    if (stringAt(tool, ['outputSchema', 'type']) === 'object') continue
    const edited = editObject(tool, findValue(tool, []) as Span, { remove: ['outputSchema'] })
    changes.push({ start, end, text: edited.toString() })
  }
  return changes.length === 0 ? bytes : spliceAt(bytes, changes)
}

/** The proxy looks at most at this many elements of a list. The others stay as they are. */
const maxElements = 10_000

/** Steps through the objects among the first elements of an array. */
function* firstObjects(bytes: Buffer, open: number): Generator<Span> {
  let count = 0
  for (const span of elementsOf(bytes, open)) {
    if (++count > maxElements) return
    if (bytes[skipBlank(bytes, span.start)] === OPEN_BRACE) yield span
  }
}

/** If the structured result of a tool is not an object, makes a text of it. */
function withObjectResult(bytes: Buffer): Buffer {
  const value = findValue(bytes, ['result', 'structuredContent'])
  if (value === undefined || bytes[value.start] === OPEN_BRACE) return bytes
  const content = findValue(bytes, ['result', 'content'])
  const isEmpty = content === undefined || /^\[\s*\]$/.test(textAt(bytes, content).slice(0, 100))
  const text = JSON.stringify({ type: 'text', text: textAt(bytes, value) })
  const result = findValue(bytes, ['result']) as Span
  const remove = isEmpty ? ['structuredContent', 'content'] : ['structuredContent']
  return editObject(bytes, result, { remove, add: isEmpty ? [`"content":[${text}]`] : [] })
}

/** The places of content: the result of a tool is a list of it, a message of a prompt holds one. */
const contents: Partial<Record<string, { list: string[]; within: string[] }>> = {
  [methods.callTool]: { list: ['result', 'content'], within: [] },
  [methods.getPrompt]: { list: ['result', 'messages'], within: ['content'] }
}

function withOldContent(bytes: Buffer, method: string, version: LegacyVersion): Buffer {
  const place = contents[method]
  if (place === undefined) return bytes
  const list = findValue(bytes, place.list)
  if (list === undefined || bytes[list.start] !== OPEN_BRACKET) return bytes
  const changes: Change[] = []
  for (const element of firstObjects(bytes, list.start)) {
    const part = bytes.subarray(element.start, element.end)
    const content = findValue(part, place.within)
    if (content === undefined) continue
    const text = oldContent(part.subarray(content.start, content.end), version)
    const { start, end } = content
    if (text !== undefined) {
      changes.push({ start: element.start + start, end: element.start + end, text })
    }
  }
  return changes.length === 0 ? bytes : spliceAt(bytes, changes)
}

/** Returns the content in a form that the revision has, or undefined if it has this one. */
function oldContent(bytes: Buffer, version: LegacyVersion): string | undefined {
  const type = bytes[0] === OPEN_BRACE ? stringAt(bytes, ['type']) : undefined
  if (type === 'resource_link') {
    const [uri = '', name = '', title] = ['uri', 'name', 'title'].map((key) =>
      stringAt(bytes, [key])
    )
    const description = stringAt(bytes, ['description'])
    const text = `${title ?? name}: ${uri}${description === undefined ? '' : `\n${description}`}`
    return JSON.stringify({ type: 'text', text })
  }
  if (type !== 'audio' || version !== '2024-11-05') return undefined
  const mimeType = valueText(bytes, ['mimeType']) ?? '"application/octet-stream"'
  const blob = valueText(bytes, ['data']) ?? '""'
  const resource = `{"uri":"data:,audio","mimeType":${mimeType},"blob":${blob}}`
  const annotations = valueText(bytes, ['annotations'])
  const more = annotations === undefined ? '' : `,"annotations":${annotations}`
  return `{"type":"resource","resource":${resource}${more}}`
}
