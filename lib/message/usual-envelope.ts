// Reads the envelope of a usual message, in one pass over its bytes. Nearly all messages are usual, and
// `JSON.parse` would need four times as long to build values that nobody reads.
//
// A usual message is an object whose names and envelope are plain: no escapes in them, no member twice,
// no fractions in ids, no line breaks, no error. `parseFrame` reads all other messages in a slower way, which gives the
// same envelope for a usual message too.

import {
  BACKSLASH,
  CLOSE_BRACE,
  COLON,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE,
  ZERO
} from '../json/bytes.ts'
import { checkedEnd, met } from '../json/check.ts'
import { KnownText, wordAt } from '../json/known-text.ts'
import { Names } from '../json/names.ts'
import { RecentTexts } from '../json/recent-texts.ts'
import { metaKeys } from '../protocol/meta-keys.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import type { Envelope, Places } from './envelope.ts'

const NINE = 0x39
/** A number with up to this many digits is exact in JavaScript. */
const exactDigits = 15
/** The longest text that is read here, in bytes. */
const maxText = 256

const text = (name: string): KnownText => new KnownText(JSON.stringify(name))
const jsonrpcName = text('jsonrpc')
const idName = text('id')
const methodName = text('method')
const paramsName = text('params')
const nameName = text('name')
const resultName = text('result')
const metaName = text('_meta')
const tokenName = text('progressToken')
const versionName = text(metaKeys.protocolVersion)
const capabilitiesName = text(metaKeys.clientCapabilities)
const jsonRpcVersion = text('2.0')

/** A usual message with one more name that a parser may read as one of these is not clear. */
const paramsNames = new Names('_meta', 'name', 'progressToken')
export const metaNames = new Names('progressToken', metaKeys.protocolVersion, metaKeys.logLevel)

/**
 * Returns the envelope of a usual message and the places of its values, and undefined for other
 * messages. Copy what it returns: the next call changes it.
 *
 * @throws SyntaxError if the bytes are not JSON. Other bytes that are not JSON may return undefined
 */
export function usualEnvelope(bytes: Buffer): UsualEnvelope | undefined {
  return reader.read(bytes) ? reader : undefined
}

const recentMethods = new RecentTexts()
const recentVersions = new RecentTexts()

/** Stands for the index after something that no usual message has. */
const unusual = -1

// Each method that reads something in `bytes` gets the index of its first byte. It returns the index
// after its last byte, or `unusual`.
class UsualEnvelope implements Envelope, Places {
  kind: Envelope['kind'] = 'notification'
  id: Id | undefined
  method: string | undefined
  progressToken: Id | undefined
  protocolVersion: string | undefined
  readonly errorCode = undefined
  readonly failure = undefined
  idStart = 0
  idEnd = 0
  tokenStart = 0
  tokenEnd = 0
  nameStart = 0
  nameEnd = 0
  hasCapabilities = false
  isClear = true
  /** Whether all bytes are ASCII. False: it is not known. */
  isAscii = true
  #hasVersion = false
  #hasParams = false
  #hasResult = false
  #hasMeta = false
  #hasName = false
  /** The tokens in `params` and in `params._meta`. */
  #paramsToken: Id | undefined
  #metaToken: Id | undefined
  /** The id or the token that was read last. */
  #scalar: Id = 0

  /** Returns whether the message is usual. */
  read(bytes: Buffer): boolean {
    this.id = this.method = this.progressToken = this.protocolVersion = undefined
    this.#paramsToken = this.#metaToken = undefined
    this.idStart = this.idEnd = this.tokenStart = this.tokenEnd = 0
    this.nameStart = this.nameEnd = 0
    this.hasCapabilities = false
    this.isClear = true
    this.#hasVersion = this.#hasParams = this.#hasResult = this.#hasMeta = this.#hasName = false
    met.lineBreak = met.otherText = false
    const isUsual = this.#members(bytes, 0, inMessage) === bytes.length && this.#isMessage()
    this.isAscii = !met.otherText
    return isUsual
  }

  #isMessage(): boolean {
    if (!this.#hasVersion) return false
    if (this.#hasResult && this.method !== undefined) this.isClear = false
    if (this.method === undefined) {
      this.kind = 'response'
      this.protocolVersion = undefined
      return this.id !== undefined && this.#hasResult
    }
    this.kind = this.id === undefined ? 'notification' : 'request'
    if (this.id !== undefined) this.progressToken = this.#metaToken
    else if (this.method === methods.progress) this.progressToken = this.#paramsToken
    return true
  }

  #members(bytes: Buffer, start: number, level: number): number {
    if (bytes[start] !== OPEN_BRACE) return unusual
    let at = skip(bytes, start + 1)
    if (bytes[at] === CLOSE_BRACE) return at + 1
    for (;;) {
      if (level === inMessage) at = this.#memberOfMessage(bytes, at)
      else if (level === inParams) at = this.#memberOfParams(bytes, at)
      else at = this.#memberOfMeta(bytes, at)
      if (at === unusual) return unusual
      at = skip(bytes, at)
      if (bytes[at] === CLOSE_BRACE) return at + 1
      if (bytes[at] !== COMMA) return unusual
      at = skip(bytes, at + 1)
    }
  }

  #memberOfMessage(bytes: Buffer, start: number): number {
    const first = wordAt(bytes, start)
    let at = valueOf(jsonrpcName, bytes, start, first)
    if (at !== unusual) {
      if (this.#hasVersion || !jsonRpcVersion.isAt(bytes, at)) return unusual
      this.#hasVersion = true
      return at + jsonRpcVersion.length
    }
    at = valueOf(idName, bytes, start, first)
    if (at !== unusual) {
      const end = this.#scalarEnd(bytes, at)
      if (end === unusual || this.id !== undefined) return unusual
      this.idStart = at
      this.idEnd = end
      this.id = this.#scalar
      return end
    }
    at = valueOf(methodName, bytes, start, first)
    if (at !== unusual) {
      const end = textEnd(bytes, at)
      if (end === unusual || this.method !== undefined) return unusual
      this.method = recentMethods.read(bytes, at + 1, end - 1)
      return end
    }
    at = valueOf(paramsName, bytes, start, first)
    if (at !== unusual) {
      if (this.#hasParams) return unusual
      this.#hasParams = true
      if (bytes[at] === OPEN_BRACE) return this.#members(bytes, at, inParams)
      this.isClear = false // some parsers read an object from a list of its values
      return bytes[at] === OPEN_BRACKET ? anyEnd(bytes, at) : unusual
    }
    at = valueOf(resultName, bytes, start, first)
    if (at === unusual || this.#hasResult) return unusual
    this.#hasResult = true
    return anyEnd(bytes, at)
  }

  #memberOfParams(bytes: Buffer, start: number): number {
    const first = wordAt(bytes, start)
    let at = valueOf(nameName, bytes, start, first)
    if (at !== unusual) {
      // Of two members with this name, the last one counts. A value that is not plain has no place.
      const end = textEnd(bytes, at)
      this.nameStart = end === unusual ? 0 : at
      this.nameEnd = end === unusual ? 0 : end
      if (this.#hasName) this.isClear = false
      this.#hasName = true
      return end === unusual ? anyEnd(bytes, at) : end
    }
    at = valueOf(metaName, bytes, start, first)
    if (at !== unusual) {
      if (this.#hasMeta) return unusual
      this.#hasMeta = true
      return this.#members(bytes, at, inMeta)
    }
    at = valueOf(tokenName, bytes, start, first)
    if (at === unusual) return this.#other(paramsNames, bytes, start)
    const end = this.#scalarEnd(bytes, at)
    if (end === unusual || this.#paramsToken !== undefined) return unusual
    this.#paramsToken = this.#scalar
    return end
  }

  #memberOfMeta(bytes: Buffer, start: number): number {
    const first = wordAt(bytes, start)
    let at = valueOf(tokenName, bytes, start, first)
    if (at !== unusual) {
      const end = this.#scalarEnd(bytes, at)
      if (end === unusual || this.#metaToken !== undefined) return unusual
      this.tokenStart = at
      this.tokenEnd = end
      this.#metaToken = this.#scalar
      return end
    }
    at = valueOf(versionName, bytes, start, first)
    if (at !== unusual) {
      const end = textEnd(bytes, at)
      if (end === unusual || this.protocolVersion !== undefined) return unusual
      this.protocolVersion = recentVersions.read(bytes, at + 1, end - 1)
      return end
    }
    at = valueOf(capabilitiesName, bytes, start, first)
    if (at === unusual) return this.#other(metaNames, bytes, start)
    if (this.hasCapabilities || bytes[at] !== OPEN_BRACE) return unusual
    this.hasCapabilities = true
    return anyEnd(bytes, at)
  }

  /** Reads an id or a progress token into `#scalar`. */
  #scalarEnd(bytes: Buffer, start: number): number {
    if (bytes[start] === QUOTE) {
      const end = textEnd(bytes, start)
      if (end !== unusual) this.#scalar = bytes.toString('latin1', start + 1, end - 1)
      return end
    }
    let at = start
    let value = 0
    for (; at - start < exactDigits && isDigit(bytes[at] as number); at++) {
      value = 10 * value + (bytes[at] as number) - ZERO
    }
    const next = bytes[at]
    const isEnd = next === COMMA || next === CLOSE_BRACE || next === SPACE
    if (at === start || !isEnd || (bytes[start] === ZERO && at > start + 1)) return unusual
    this.#scalar = value
    return at
  }

  /** Reads a member with another name. `names` are those that the proxy reads in this object. */
  #other(names: Names, bytes: Buffer, start: number): number {
    const end = plainEnd(bytes, start)
    if (end === unusual) return unusual
    if (names.indexOfPlain(bytes, start, end) !== -1) this.isClear = false
    const at = afterColon(bytes, end)
    return at === unusual ? unusual : anyEnd(bytes, at)
  }
}

// The objects whose members are read: the message, its `params`, and their `_meta`.
const inMessage = 0
const inParams = 1
const inMeta = 2

/** Returns the index of the value of a member. Returns `unusual` if the member has another name. */
function valueOf(name: KnownText, bytes: Buffer, start: number, first: number): number {
  return name.isAt(bytes, start, first) ? afterColon(bytes, start + name.length) : unusual
}

function afterColon(bytes: Buffer, start: number): number {
  const at = skip(bytes, start)
  return bytes[at] === COLON ? skip(bytes, at + 1) : unusual
}

function anyEnd(bytes: Buffer, start: number): number {
  if ((bytes[start] as number) < SPACE) return unusual // a tab or a line break
  const end = checkedEnd(bytes, start)
  return met.lineBreak ? unusual : end
}

/** Reads a string of plain ASCII that is not long. */
function textEnd(bytes: Buffer, start: number): number {
  const end = plainEnd(bytes, start)
  return end - start > maxText ? unusual : end
}

/** Reads a string of plain ASCII. */
function plainEnd(bytes: Buffer, start: number): number {
  if (bytes[start] !== QUOTE) return unusual
  let at = start + 1
  while (isPlain(bytes[at] as number)) at++
  return bytes[at] === QUOTE ? at + 1 : unusual
}

function skip(bytes: Buffer, start: number): number {
  let at = start
  while (bytes[at] === SPACE) at++
  return at
}

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= NINE

/** Whether a byte is a character of a string that needs no decoding. */
const isPlain = (byte: number): boolean =>
  byte >= SPACE && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH

const reader = new UsualEnvelope()
