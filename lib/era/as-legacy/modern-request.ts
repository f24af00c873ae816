// Turns requests of a legacy client into requests of the modern revision. Each request then carries
// in `_meta` what the client said once in `initialize`, and the log level that it set.

import { OPEN_BRACE } from '../../json/bytes.ts'
import { editObject } from '../../json/edit-object.ts'
import { findValue, valueText } from '../../json/find-value.ts'
import type { Span } from '../../json/find-value.ts'
import { splice } from '../../json/splice.ts'
import { Frame } from '../../message/frame.ts'
import { metaKeys } from '../../protocol/meta-keys.ts'
import { paths } from '../../protocol/paths.ts'
import { modernVersion } from '../../protocol/revisions.ts'

/** What a client has told about itself, as JSON text. */
export interface ClientText {
  info: string
  capabilities: string
  /** The log level, as JSON text. Undefined until the client sets a level. */
  logLevel?: string | undefined
}

/** The answers of a round, which the next request carries. */
export interface RoundText {
  /** The answers of the client as a JSON object. Undefined if the server asked nothing. */
  inputResponses: string | undefined
  /** The state of the server, as JSON text. */
  requestState: string | undefined
}

const ownKeys = [
  metaKeys.protocolVersion,
  metaKeys.clientInfo,
  metaKeys.clientCapabilities,
  metaKeys.logLevel
]

/**
 * Returns the request with a new id, and with the members that the modern revision demands.
 *
 * @param round the answers for the server, if this repeats a request
 */
export function modernRequest(
  request: Frame,
  id: number,
  client: ClientText,
  round?: RoundText
): Frame {
  let bytes = splice(request.bytes, [{ path: paths.id, text: String(id) }])
  const root = findValue(bytes, []) as Span
  const params = findValue(bytes, ['params'])
  const meta = metaText(request.bytes, client)
  if (params === undefined) {
    bytes = editObject(bytes, root, { remove: [], add: [`"params":{"_meta":${meta}}`] })
  } else if (bytes[params.start] === OPEN_BRACE) {
    const add = [`"_meta":${meta}`]
    if (round?.inputResponses !== undefined) add.push(`"inputResponses":${round.inputResponses}`)
    if (round?.requestState !== undefined) add.push(`"requestState":${round.requestState}`)
    bytes = editObject(bytes, params, { remove: ['_meta', 'inputResponses', 'requestState'], add })
  }
  // The transport over HTTP recognises a modern request by its revision.
  return new Frame(bytes, { ...request, id, protocolVersion: modernVersion })
}

/** Returns the `_meta` of the request as JSON text, with the members of the modern revision. */
function metaText(bytes: Buffer, { info, capabilities, logLevel }: ClientText): string {
  const own = [
    `${JSON.stringify(metaKeys.protocolVersion)}:${JSON.stringify(modernVersion)}`,
    `${JSON.stringify(metaKeys.clientInfo)}:${info}`,
    `${JSON.stringify(metaKeys.clientCapabilities)}:${capabilities}`
  ]
  if (logLevel !== undefined) own.push(`${JSON.stringify(metaKeys.logLevel)}:${logLevel}`)
  const given = valueText(bytes, ['params', '_meta'])
  if (given?.startsWith('{') !== true) return `{${own.join(',')}}`
  const meta = Buffer.from(given)
  return editObject(meta, findValue(meta, []) as Span, { remove: ownKeys, add: own }).toString()
}
