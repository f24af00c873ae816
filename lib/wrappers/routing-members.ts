// Reads the members of a client's message that decide which client gets the response or the
// progress, and what the client uses: ids, progress tokens, the name of the tool and more.
//
// Parsers differ. Some ignore the case of names, and of two members with one name some take the
// first and some the last. So a server could read another id than the proxy, and the response would
// go to another client. Or it could read the name of a tool that the client may not use. The proxy
// refuses a message in which one of these names comes twice, or in another case. One walk over the
// message finds all of them. Most messages need no walk, because their first reader found them clear.

import { ProxyError } from '../errors.ts'
import { COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from '../json/bytes.ts'
import { isString } from '../json/find-value.ts'
import type { Span } from '../json/find-value.ts'
import { Names } from '../json/names.ts'
import { skipBlank, stringEnd, valueEnd } from '../json/walker.ts'
import type { Frame } from '../message/frame.ts'
import { errorFrame } from '../message/refusal.ts'
import { answerTo } from '../message/response-to.ts'
import { metaNames } from '../message/usual-envelope.ts'
import { metaKeys } from '../protocol/meta-keys.ts'
import { methods } from '../protocol/methods.ts'

const messageNames = new Names('jsonrpc', 'id', 'method', 'params', 'result', 'error')
const paramsNames = new Names('_meta')
const uriNames = new Names('_meta', 'uri')
const nameNames = new Names('_meta', 'name')
const refNames = new Names('type', 'name', 'uri')
const notificationNames = new Names('resourceSubscriptions')
/** For the methods that are not here: `paramsNames`. */
const namesOfMethod = new Map<string | undefined, Names>([
  [methods.cancelled, new Names('_meta', 'requestId')],
  [methods.progress, new Names('_meta', 'progressToken')],
  [methods.listen, new Names('_meta', 'notifications')],
  [methods.setLevel, new Names('_meta', 'level')],
  [methods.subscribe, uriNames],
  [methods.unsubscribe, uriNames],
  [methods.readResource, uriNames],
  [methods.callTool, nameNames],
  [methods.getPrompt, nameNames],
  [methods.complete, new Names('_meta', 'ref')]
])

export class RoutingMembers {
  /** The progress token of a request. */
  token: Span | undefined
  /** The log level in `_meta`. */
  logLevel: Span | undefined
  /** The id of the request that `notifications/cancelled` cancels. */
  cancelledId: Span | undefined
  /** What a subscription of the modern revision asks for. */
  notifications: Span | undefined
  /** Why the message is refused. Undefined for a good message. */
  fault: string | undefined
  readonly #bytes: Buffer
  readonly #paramsNames: Names
  #hasClearId = true
  #isResponse = false

  /** @param frame a message of a client */
  constructor({ bytes, method, isClear, tokenStart, tokenEnd }: Frame) {
    this.#bytes = bytes
    this.#paramsNames = namesOfMethod.get(method) ?? paramsNames
    // `isClear` says nothing about the names of other methods.
    if (isClear && (this.#paramsNames === paramsNames || this.#paramsNames === nameNames)) {
      if (tokenEnd > 0) this.token = { start: tokenStart, end: tokenEnd }
      return
    }
    this.#readObject(skipBlank(bytes, 0), messageNames)
    if (method !== undefined && this.#isResponse) {
      this.fault ??= 'a message with a method must have no result and no error'
    }
  }

  /**
   * Makes the error response for a refused message. Its text has the id null if the message is no
   * request, or if another parser may read another id. Its envelope has the id of the request in
   * any case, so that the transports find the HTTP response for it.
   */
  refusal(frame: Frame): Frame {
    const error = new ProxyError('ERR_REQUEST', this.fault as string)
    if (frame.kind !== 'request') return errorFrame(undefined, error)
    if (this.#hasClearId) return answerTo(frame, errorFrame(0, error))
    const response = errorFrame(undefined, error)
    return response.withBytes(response.bytes, frame.id)
  }

  /** Reads an object. Returns the index after it. `open` is the index of its opening brace. */
  #readObject(open: number, names: Names): number {
    const bytes = this.#bytes
    let seen = 0
    let at = skipBlank(bytes, open + 1)
    while (bytes[at] === QUOTE) {
      const nameEnd = stringEnd(bytes, at)
      const start = skipBlank(bytes, skipBlank(bytes, nameEnd) + 1)
      const index = names.indexOf(bytes, at, nameEnd)
      let end: number
      if (index === -1) end = valueEnd(bytes, start)
      else {
        const name = names.list[index] as string
        if ((seen & (1 << index)) !== 0 || !isString(bytes, at, nameEnd, name)) this.#refuse(name)
        seen |= 1 << index
        end = this.#readMember(names, name, start)
      }
      at = skipBlank(bytes, end)
      if (bytes[at] === COMMA) at = skipBlank(bytes, at + 1)
    }
    return at + 1
  }

  /** Reads the value of a member whose name is in `names`. Returns the index after the value. */
  #readMember(names: Names, name: string, start: number): number {
    if (this.#bytes[start] === OPEN_BRACE) {
      if (name === 'params') return this.#readObject(start, this.#paramsNames)
      if (name === '_meta') return this.#readObject(start, metaNames)
      if (name === 'ref') return this.#readObject(start, refNames)
      if (name === 'notifications') {
        this.notifications = { start, end: this.#readObject(start, notificationNames) }
        return this.notifications.end
      }
    }
    const span = { start, end: valueEnd(this.#bytes, start) }
    switch (name) {
      case 'params':
      case '_meta':
        // Some parsers read an object from a list of its values.
        if (this.#bytes[start] !== LETTER_N) this.fault ??= `"${name}" must be an object`
        break
      case 'result':
      case 'error':
        this.#isResponse = true
        break
      case 'progressToken':
        if (this.#isId(name, start) && names === metaNames) this.token = span
        break
      case 'requestId':
        if (this.#isId(name, start)) this.cancelledId = span
        break
      case metaKeys.logLevel:
        this.logLevel = span
        break
      default: // the proxy does not need the value
    }
    return span.end
  }

  /** Whether a value is a string or a number. Refuses the message for other values but null. */
  #isId(name: string, start: number): boolean {
    const first = this.#bytes[start] as number
    if (!notIds.has(first)) return true
    if (first === LETTER_N) return false
    this.fault ??= `"${name}" must be a string or a number`
    return false
  }

  #refuse(name: string): void {
    if (name === 'id') this.#hasClearId = false
    this.fault ??= `"${name}" must come only once and in this spelling`
  }
}

/** The first byte of `null`. */
const LETTER_N = 0x6e

/** The first bytes of all values that are no strings and no numbers: also of `true` and `false`. */
const notIds = new Set([OPEN_BRACE, OPEN_BRACKET, LETTER_N, 0x74, 0x66])
