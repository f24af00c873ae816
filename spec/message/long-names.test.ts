// Ids, progress tokens and methods that are too long. A call keeps them until its response comes.

import t from 'tap'
import { maxLength, parseFrame } from '../../lib/message/parse-frame.ts'
import type { RefusedError } from '../../lib/message/refusal.ts'

const text = (length: number): string => `"${'x'.repeat(length)}"`

const messages: Record<string, (length: number) => string> = {
  id: (length) => `{"jsonrpc":"2.0","id":${text(length)},"method":"m"}`,
  'number as id': (length) => `{"jsonrpc":"2.0","id":1.${'0'.repeat(length - 2)},"method":"m"}`,
  'id of a response': (length) => `{"jsonrpc":"2.0","id":${text(length)},"result":{}}`,
  method: (length) => `{"jsonrpc":"2.0","id":1,"method":${text(length)}}`,
  'progress token': (length) =>
    `{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"progressToken":${text(length)}}}}`,
  'token of a progress notification': (length) =>
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${text(length)}}}`
}

for (const [what, make] of Object.entries(messages)) {
  t.test(`a message is refused if its ${what} is too long`, async (t) => {
    for (const pad of [0, 300_000]) {
      const bytes = (length: number): Buffer =>
        Buffer.from(make(length).replace(/}$/, `,"pad":"${'x'.repeat(pad)}"}`))
      t.ok(parseFrame(bytes(maxLength)))
      t.throws(() => parseFrame(bytes(maxLength + 1)), { code: 'ERR_FRAME_ENVELOPE' })
    }
  })
}

t.test('the refusal of a message names its id only if the id is short', async (t) => {
  const envelopeOf = (message: string): unknown => {
    try {
      return parseFrame(Buffer.from(message))
    } catch (error) {
      return (error as RefusedError).envelope
    }
  }
  t.strictSame(envelopeOf(messages.id?.(maxLength + 1) ?? ''), { kind: 'request', id: undefined })
  t.strictSame(envelopeOf(messages.method?.(maxLength + 1) ?? ''), { kind: 'request', id: 1 })
})
