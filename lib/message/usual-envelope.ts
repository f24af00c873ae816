// Reads the envelope of a usual message, in one pass over its bytes. Nearly all messages are usual, and
// `JSON.parse` would need four times as long to build values that nobody reads.
//
// A usual message is an object whose names and envelope are plain: no escapes in them, no member twice,
// no fractions in ids, no error. `parseFrame` reads all other messages in a slower way, which gives the
// same envelope for a usual message too.

import {
  BACKSLASH,
  CLOSE_BRACE,
  COLON,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE
} from '../json/bytes.ts'
import { checkedEnd } from '../json/check.ts'
import { Names } from '../json/names.ts'
import { RecentTexts } from '../json/recent-texts.ts'
import { metaKeys } from '../protocol/meta-keys.ts'
import type { Id } from '../protocol/json-rpc.ts'
import { methods } from '../protocol/methods.ts'
import type { Envelope, Places } from './envelope.ts'

const ZERO = 0x30
const NINE = 0x39
/** A number with up to this many digits is exact in JavaScript. */
const exactDigits = 15
/** The longest text that is read here, in bytes. */
const maxText = 256

const text = (name: string): Buffer => Buffer.from(JSON.stringify(name))
const jsonrpcName = text('jsonrpc')
const idName = text('id')
const methodName = text('method')
const paramsName = text('params')
const nameName = text('name')
const resultName = text('result')
const metaName = text('_meta')
const tokenName = text('progressToken')
const versionName = text(metaKeys.protocolVersion)
const jsonRpcVersion = text('2.0')

/** A usual message with one more name that a parser may read as one of these is not clear. */
const paramsNames = new Names('_meta', 'name', 'progressToken')
export const metaNames = new Names('progressToken', metaKeys.protocolVersion, metaKeys.logLevel)

/**
 * Returns the envelope of a usual message and the places of its values, and undefined for other
 * messages. Copy what it returns: the next call changes it.
 *
 * @param bytes valid UTF-8
 * @throws SyntaxError if the bytes are not JSON. Other bytes that are not JSON may return undefined
 */
export function usualEnvelope(bytes: Buffer): (Envelope & Places) | undefined {
  return reader.read(bytes) ? reader : undefined
}

const none: Buffer = Buffer.alloc(0)

const recentMethods = new RecentTexts()
const recentVersions = new RecentTexts()

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
  isClear = true
  #bytes = none
  /** The index of the next byte. */
  #at = 0
  #hasVersion = false
  #hasParams = false
  #hasResult = false
  #hasMeta = false
  #hasName = false
  /** The tokens in `params` and in `params._meta`. */
  #paramsToken: Id | undefined
  #metaToken: Id | undefined

  /** Returns whether the message is usual. */
  read(bytes: Buffer): boolean {
    this.id = this.method = this.progressToken = this.protocolVersion = undefined
    this.#paramsToken = this.#metaToken = undefined
    this.idStart = this.idEnd = this.tokenStart = this.tokenEnd = 0
    this.nameStart = this.nameEnd = 0
    this.isClear = true
    this.#hasVersion = this.#hasParams = this.#hasResult = this.#hasMeta = this.#hasName = false
    this.#bytes = bytes
    this.#at = 0
    try {
      return this.#members(0) && this.#at === bytes.length && this.#isMessage()
    } finally {
      this.#bytes = none // the message must not stay in memory
    }
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

  /** Reads an object of the message (0), its `params` (1) or its `_meta` (2). */
  #members(level: number): boolean {
    const bytes = this.#bytes
    if (bytes[this.#at] !== OPEN_BRACE) return false
    this.#at = this.#skip(this.#at + 1)
    if (bytes[this.#at] === CLOSE_BRACE) {
      this.#at++
      return true
    }
    for (;;) {
      const name = this.#at
      const end = this.#plainEnd(name)
      if (end === -1) return false
      this.#at = this.#skip(end)
      if (bytes[this.#at] !== COLON) return false
      this.#at = this.#skip(this.#at + 1)
      if (!this.#value(level, name, end - name)) return false
      this.#at = this.#skip(this.#at)
      const next = bytes[this.#at++]
      if (next === CLOSE_BRACE) return true
      if (next !== COMMA) return false
      this.#at = this.#skip(this.#at)
    }
  }

  #value(level: number, name: number, length: number): boolean {
    if (level === 0) return this.#inMessage(name, length)
    if (level === 1) return this.#inParams(name, length)
    return this.#inMeta(name, length)
  }

  #inMessage(name: number, length: number): boolean {
    if (this.#is(idName, name, length)) {
      if (this.id !== undefined) return false
      this.idStart = this.#at
      this.id = this.#scalar()
      this.idEnd = this.#at
      return this.id !== undefined
    }
    if (this.#is(jsonrpcName, name, length)) {
      if (this.#hasVersion || !this.#is(jsonRpcVersion, this.#at, jsonRpcVersion.length))
        return false
      this.#hasVersion = true
      this.#at += jsonRpcVersion.length
      return true
    }
    if (this.#is(methodName, name, length)) {
      if (this.method !== undefined) return false
      this.method = this.#string(recentMethods)
      return this.method !== undefined
    }
    if (this.#is(paramsName, name, length)) {
      if (this.#hasParams) return false
      this.#hasParams = true
      const first = this.#bytes[this.#at]
      if (first === OPEN_BRACE) return this.#members(1)
      this.isClear = false // some parsers read an object from a list of its values
      return first === OPEN_BRACKET && this.#any()
    }
    if (!this.#is(resultName, name, length) || this.#hasResult) return false
    this.#hasResult = true
    return this.#any()
  }

  #inParams(name: number, length: number): boolean {
    if (this.#is(metaName, name, length)) {
      if (this.#hasMeta) return false
      this.#hasMeta = true
      return this.#members(2)
    }
    if (this.#is(nameName, name, length)) {
      // Of two members with this name, the last one counts. A value that is not plain has no place.
      const end = this.#plainEnd(this.#at)
      const isKnown = end !== -1 && end - this.#at <= maxText
      this.nameStart = isKnown ? this.#at : 0
      this.nameEnd = isKnown ? end : 0
      if (this.#hasName) this.isClear = false
      this.#hasName = true
      return this.#any()
    }
    if (!this.#is(tokenName, name, length)) return this.#other(paramsNames, name, length)
    if (this.#paramsToken !== undefined) return false
    this.#paramsToken = this.#scalar()
    return this.#paramsToken !== undefined
  }

  #inMeta(name: number, length: number): boolean {
    if (this.#is(tokenName, name, length)) {
      if (this.#metaToken !== undefined) return false
      this.tokenStart = this.#at
      this.#metaToken = this.#scalar()
      this.tokenEnd = this.#at
      return this.#metaToken !== undefined
    }
    if (!this.#is(versionName, name, length)) return this.#other(metaNames, name, length)
    if (this.protocolVersion !== undefined) return false
    this.protocolVersion = this.#string(recentVersions)
    return this.protocolVersion !== undefined
  }

  /** Reads a member with another name. `names` are those that the proxy reads in this object. */
  #other(names: Names, name: number, length: number): boolean {
    if (names.indexOf(this.#bytes, name, name + length) !== -1) this.isClear = false
    return this.#any()
  }

  #any(): boolean {
    if ((this.#bytes[this.#at] as number) < SPACE) return false // a tab or a line break
    this.#at = checkedEnd(this.#bytes, this.#at)
    return true
  }

  #scalar(): Id | undefined {
    return this.#bytes[this.#at] === QUOTE ? this.#string() : this.#integer()
  }

  #string(recent?: RecentTexts): string | undefined {
    const bytes = this.#bytes
    const start = this.#at
    const end = this.#plainEnd(start)
    if (end === -1 || end - start > maxText) return undefined
    this.#at = end
    if (recent !== undefined) return recent.read(bytes, start + 1, end - 1)
    return bytes.toString('latin1', start + 1, end - 1)
  }

  #integer(): number | undefined {
    const bytes = this.#bytes
    const start = this.#at
    let at = start
    let value = 0
    for (; at - start < exactDigits; at++) {
      const byte = bytes[at] as number
      if (!(byte >= ZERO && byte <= NINE)) break
      value = 10 * value + byte - ZERO
    }
    const next = bytes[at]
    const isEnd = next === COMMA || next === CLOSE_BRACE || next === SPACE
    if (at === start || !isEnd || (bytes[start] === ZERO && at > start + 1)) return undefined
    this.#at = at
    return value
  }

  /** Returns the index after a string of plain ASCII. Returns -1 for any other text. */
  #plainEnd(start: number): number {
    const bytes = this.#bytes
    if (bytes[start] !== QUOTE) return -1
    let at = start + 1
    while (isPlain(bytes[at] as number)) at++
    return bytes[at] === QUOTE ? at + 1 : -1
  }

  #is(name: Buffer, start: number, length: number): boolean {
    if (length !== name.length) return false
    const bytes = this.#bytes
    for (let at = 0; at < length; at++) if (bytes[start + at] !== name[at]) return false
    return true
  }

  #skip(at: number): number {
    while (this.#bytes[at] === SPACE) at++
    return at
  }
}

/** Whether a byte is a character of a string that needs no decoding. */
const isPlain = (byte: number): boolean =>
  byte >= SPACE && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH

const reader = new UsualEnvelope()
