// The framings: the same bytes must give the same frames wherever they are cut, and the frames of a
// simpler reader.

import { isUtf8 } from 'node:buffer'
import { setImmediate as turn } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'
import { JsonSequenceParser } from '../../../lib/framing/json-sequence.ts'
import { NewlineParser } from '../../../lib/framing/newline.ts'
import type { ParserOptions } from '../../../lib/framing/newline.ts'
import { SseParser } from '../../../lib/framing/sse.ts'
import { isBlank } from '../../../lib/json/walker.ts'
import { withoutBom } from '../../../lib/json/bytes.ts'
import { parseFrame } from '../../../lib/message/parse-frame.ts'
import { chunks } from '../../helpers.ts'
import { cut } from '../../interop/random-json.ts'
import type { Random } from '../../interop/random-json.ts'
import { below, chance, mutate, pick, size } from '../inputs/bytes.ts'
import { enlarged } from '../inputs/large.ts'
import { attempt, expect, target } from '../target.ts'
import type { Target } from '../target.ts'
import { randomBytes } from './frame.ts'
import { isSame, randomOf, randomText } from './json.ts'

/** Larger inputs only show the time and the memory: to compare them takes too long. */
const maxCompared = 30_000

/** What a parser has reported, in order. */
type Events = string[]

interface Output {
  whole: Events
  cut: Events
}

/** A small limit for some inputs, so that messages are over the limit. It depends on the bytes. */
const limitFor = (input: Buffer): number =>
  input.length % 5 === 0 ? 100 + (input.length % 300) : 0

const listener = (events: Events, maxMessage: number): ParserOptions => ({
  ...(maxMessage > 0 && { maxMessage }),
  onFrame: (frame) => events.push(`frame ${String(frame)}`),
  onInvalid: (error, envelope) =>
    events.push(`invalid ${error.message} ${envelope?.kind} ${String(envelope?.id)}`)
})

/** Parsers replace line breaks in place, so each gets a copy. */
const partsOf = (input: Buffer): Buffer[] => cut(randomOf(input), Buffer.from(input))

interface Reader {
  feed(chunk: Buffer): void
  end?(): void
}

/** Reads the input as a socket brings it, and then the same input in parts. */
async function twice(input: Buffer, open: (events: Events) => Reader): Promise<Output> {
  const output: Output = { whole: [], cut: [] }
  const reader = open(output.whole)
  for (const chunk of chunks(Buffer.from(input))) {
    reader.feed(chunk)
    if (input.length > chunk.length) await turn()
  }
  reader.end?.()
  if (input.length >= maxCompared) return output
  const other = open(output.cut)
  for (const part of partsOf(input)) other.feed(part)
  other.end?.()
  return output
}

/** The parsers report only some of the invalid messages of a turn. */
const frames = (events: Events): Events => events.filter((event) => event.startsWith('frame'))

function sameFrames({ whole, cut }: Output): void {
  expect(isSame(frames(whole), frames(cut)), 'the cut changes the frames')
}

export function randomLines(random: Random): Buffer {
  if (chance(random, 0.001)) return enlarged(random)
  const lines = Array.from({ length: size(random, 6) }, () => [
    randomBytes(random),
    Buffer.from(pick(random, ['\n', '\n', '\n', '\r\n', '', '\n\n', '\r', ' \n']))
  ])
  const bytes = Buffer.concat(lines.flat())
  return chance(random, 0.3) ? mutate(random, bytes) : bytes
}

export const newline: Target = target<Output>({
  name: 'newline',
  share: 10,
  make: randomLines,
  run: (input) => twice(input, (events) => new NewlineParser(listener(events, limitFor(input)))),
  compare(input, output) {
    if (input.length >= maxCompared) return
    sameFrames(output)
    if (limitFor(input) > 0) return
    const lines = withoutBom(input).toString('latin1').split('\n')
    const expected = lines.flatMap((line) => {
      const bytes = Buffer.from(line, 'latin1')
      const result = attempt(() => parseFrame(bytes.at(-1) === 13 ? bytes.subarray(0, -1) : bytes))
      return 'value' in result ? [`frame ${String(result.value)}`] : []
    })
    // A line within an object that is printed over several lines is no message of its own.
    const found = frames(output.whole)
    expect(found.length <= expected.length, 'there are more frames than lines')
    if (output.whole.length === found.length)
      expect(isSame(found, expected), 'the lines have other frames')
  }
})

function randomEvents(random: Random): Buffer {
  if (chance(random, 0.001)) return enlarged(random)
  const end = (): string => pick(random, ['\n', '\n', '\n', '\r\n', '\r'])
  const lines: Buffer[] = []
  for (let left = size(random, 12); left > 0; left--) {
    const field = pick(random, [
      'data: ',
      'data:',
      'data: ',
      'id: ',
      'event: ',
      'retry: ',
      ': ',
      'data',
      'x'
    ])
    const value = field.startsWith('data')
      ? randomBytes(random)
      : Buffer.from(
          pick(random, ['1', '', 'message', 'endpoint', '\0', ' a', String(below(random, 1e9))])
        )
    lines.push(Buffer.from(field), value, Buffer.from(end()))
    if (chance(random, 0.6)) lines.push(Buffer.from(end()))
  }
  const bytes = Buffer.concat(lines)
  return chance(random, 0.3) ? mutate(random, bytes) : bytes
}

export const sse: Target = target<Output>({
  name: 'sse',
  share: 8,
  make: randomEvents,
  run: (input) =>
    twice(
      input,
      (events) =>
        new SseParser({
          ...listener(events, limitFor(input)),
          onEvent: (name, data) => events.push(`event ${name} ${data}`),
          onId: (id) => events.push(`id ${id}`),
          onRetry: (time) => events.push(`retry ${time}`)
        })
    ),
  compare(input, output) {
    if (input.length >= maxCompared) return
    const known = ({ whole, cut }: Output): [Events, Events] => {
      const isKnown = (event: string): boolean => !event.startsWith('invalid')
      return [whole.filter(isKnown), cut.filter(isKnown)]
    }
    const [whole, parts] = known(output)
    expect(isSame(whole, parts), 'the cut changes the events')
    if (limitFor(input) > 0 || !isUtf8(input)) return
    const expected: Events = []
    const parser = createParser({
      onEvent: ({ event = 'message', data, id }) => {
        if (id !== undefined) expected.push(`id ${id}`)
        if (event !== 'message') return expected.push(`event ${event} ${data}`)
        const result = attempt(() => parseFrame(Buffer.from(data)))
        return 'value' in result && expected.push(`frame ${String(result.value)}`)
      },
      onRetry: (time) => expected.push(`retry ${time}`)
    })
    // The parser that the comparison uses waits for the byte after a carriage return.
    parser.feed(input.toString())
    if (input.at(-1) !== 13) expect(isSame(whole, expected), 'the events differ')
  }
})

export const sequence: Target = target<Output>({
  name: 'sequence',
  share: 4,
  make: (random) => (chance(random, 0.5) ? randomLines(random) : randomText(random)),
  run: (input) =>
    twice(input, (events) => {
      const parser = new JsonSequenceParser(limitFor(input), (bytes) => {
        const result = attempt(() => parseFrame(Buffer.from(bytes)))
        if ('value' in result) events.push(`frame ${String(result.value)}`)
      })
      let isOver = false
      const unlessOver = (action: () => void): void => {
        if (!isOver) isOver = 'error' in attempt(action)
      }
      return {
        feed: (chunk) => unlessOver(() => parser.feed(chunk)),
        end: () => unlessOver(() => parser.end())
      }
    }),
  compare(input, output) {
    if (input.length >= maxCompared) return
    // Text after a value makes the value invalid only if both come in one chunk.
    if (isOneValue(input) && limitFor(input) === 0) {
      const found = attempt(() => parseFrame(Buffer.from(input)))
      const expected = 'value' in found ? [`frame ${String(found.value)}`] : []
      expect(isSame(output.whole, expected), 'the value is another frame')
      sameFrames(output)
    }
  }
})

function isOneValue(input: Buffer): boolean {
  try {
    return !isBlank(input) && isUtf8(input) && typeof JSON.parse(input.toString()) === 'object'
  } catch {
    return false
  }
}
