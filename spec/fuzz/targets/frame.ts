// Frames: their envelope, compared with what `JSON.parse` shows of the message, and the bodies of HTTP.

import { isUtf8 } from 'node:buffer'
import { parseBody } from '../../../lib/framing/body.ts'
import { withoutBom } from '../../../lib/json/bytes.ts'
import { valueText } from '../../../lib/json/find-value.ts'
import { EnvelopeScanner } from '../../../lib/message/envelope-scanner.ts'
import { unknownPlaces } from '../../../lib/message/envelope.ts'
import { nameIn, withId } from '../../../lib/message/frame.ts'
import type { Frame } from '../../../lib/message/frame.ts'
import { jsonOf } from '../../../lib/message/id.ts'
import { outlineOf } from '../../../lib/message/outline.ts'
import { maxLength, parseFrame } from '../../../lib/message/parse-frame.ts'
import { isEnvelope } from '../../../lib/message/schemas.ts'
import type { Message } from '../../../lib/protocol/json-rpc.ts'
import { chunks } from '../../helpers.ts'
import type { Random } from '../../interop/random-json.ts'
import { chance, mutate } from '../inputs/bytes.ts'
import { enlarged } from '../inputs/large.ts'
import { randomMessage } from '../inputs/messages.ts'
import { attempt, expect, target } from '../target.ts'
import type { Target } from '../target.ts'
import { isSame, randomText } from './json.ts'

/** Makes the bytes of a message, which may be spoiled. */
export function randomBytes(random: Random): Buffer {
  if (chance(random, 0.0005)) return enlarged(random)
  const side = chance(random, 0.5) ? 'client' : 'server'
  const bytes = Buffer.from(randomMessage(random, side))
  return chance(random, 0.25) ? mutate(random, bytes, 3) : bytes
}

/** Parses as the code under test must: UTF-8, without a byte order mark. */
function parsed(input: Buffer): unknown {
  try {
    return isUtf8(input) ? JSON.parse(input.toString()) : undefined
  } catch {
    return undefined
  }
}

/** Whether an id, a progress token or a method of the messages may be too long for a frame. */
function mayBeLong(input: Buffer, messages: readonly unknown[]): boolean {
  if (longNumber.test(input.toString('latin1'))) return true
  return (messages as Message[]).some((message) => {
    const params = message?.params as Record<string, Record<string, unknown> | null> | undefined
    const tokens = [params?.progressToken, params?._meta?.progressToken]
    return [message?.id, message?.method, ...tokens].some(
      (value) => typeof value === 'string' && value.length > maxLength
    )
  })
}

const longNumber = new RegExp(`[\\d.eE+-]{${maxLength}}`)

/** Compares a frame with the message that it was made of. */
function compareFrame(frame: Frame, message: Message): void {
  expect(!frame.bytes.includes(10) && !frame.bytes.includes(13), 'a frame has a line break')
  expect(isSame(JSON.parse(String(frame)), message), 'a frame is another message')
  expect(frame.method === message.method, 'another method')
  const kind =
    message.method === undefined ? 'response' : 'id' in message ? 'request' : 'notification'
  expect(frame.kind === kind, `the kind is ${frame.kind}, not ${kind}`)
  if (typeof message.id === 'string') expect(frame.id === message.id, 'another id')
  if (typeof message.id === 'number') {
    expect(jsonOf(frame.id) === valueText(frame.bytes, ['id']), 'another text of the id')
    const renamed = JSON.parse(String(withId(frame, 'new'))) as Message
    expect(isSame(renamed, { ...message, id: 'new' }), 'withId changes more than the id')
  }
}

export const frame: Target = target<Frame | undefined>({
  name: 'frame',
  share: 14,
  make: randomBytes,
  run(input) {
    const result = attempt(() => parseFrame(Buffer.from(input)))
    return 'error' in result ? undefined : result.value
  },
  compare(input, frame) {
    const message = parsed(input)
    const isMessage = message !== undefined && isEnvelope(message)
    if (frame === undefined && isMessage && mayBeLong(input, [message])) return
    expect(
      (frame !== undefined) === isMessage,
      isMessage ? 'a message is refused' : 'a frame is no message'
    )
    if (frame === undefined) return
    compareFrame(frame, message as Message)
    expect(isEnvelope(outlineOf(frame.bytes)), 'the outline of a message is no message')
    // A message with a tab in it is not usual, so its envelope is read in the slower way.
    const other = parseFrame(Buffer.concat([Buffer.from('{\t'), frame.bytes.subarray(1)]))
    // It has no places either.
    const read = (one: Frame): object => ({ ...one, bytes: 0, ...unknownPlaces })
    expect(isSame(read(other), read(frame)), 'two readings of one message')
    expect(nameIn(other) === nameIn(frame), 'two names in one message')
  }
})

export const body: Target = target<Frame[]>({
  name: 'body',
  share: 6,
  make: (random) => {
    const text = randomText(random)
    return chance(random, 0.5) ? Buffer.from(`[${String(randomBytes(random))}]`) : text
  },
  run(input) {
    const result = attempt(() => parseBody(Buffer.from(input)))
    return 'error' in result ? [] : result.value.frames
  },
  compare(input, frames) {
    const content = parsed(withoutBom(input))
    const messages = Array.isArray(content) ? content : content === undefined ? [] : [content]
    const isValid = messages.length <= 1000 && messages.every(isEnvelope)
    if (frames.length === 0 && isValid && mayBeLong(input, messages)) return
    expect(frames.length === (isValid ? messages.length : 0), 'the body has other frames')
    frames.forEach((frame, index) => compareFrame(frame, messages[index] as Message))
  }
})

/** The longest name or value that the scanner reads. */
const maxToken = 1024

export const envelope: Target = target<ReturnType<EnvelopeScanner['envelope']>>({
  name: 'envelope',
  share: 6,
  make: randomBytes,
  run(input) {
    const scanner = new EnvelopeScanner()
    const size = input.length < maxToken ? 97 : 64 * 1024
    for (const chunk of chunks(input, size)) scanner.feed(chunk)
    return scanner.envelope()
  },
  compare(input, envelope) {
    const message = parsed(input) as Message | undefined
    if (message === undefined || !isEnvelope(message) || !isPlain(input)) return
    expect(envelope?.method === message.method, 'the scanner reads another method')
    const { id } = message
    if (typeof id === 'number')
      expect(jsonOf(envelope?.id) === valueText(input, ['id'])?.trim(), 'another number')
    if (typeof id === 'string') expect(envelope?.id === id, 'the scanner reads another id')
  }
})

/** Whether the scanner can read all names and values of the top level. */
function isPlain(input: Buffer): boolean {
  for (const name of ['id', 'method'])
    if ((valueText(input, [name]) ?? '').length > maxToken - 100) return false
  return input.length < maxToken
}
