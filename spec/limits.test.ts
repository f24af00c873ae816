// The limits, and what of them callers choose.

import { constants } from 'node:buffer'
import t from 'tap'
import { largestMessage, limits, withDefaults } from '../lib/limits.ts'

t.test('limits that nobody chose are the defaults', async (t) => {
  t.strictSame(withDefaults({}), limits)
  t.strictSame(withDefaults({ restarts: undefined }), limits)
})

t.test('limits that were chosen count, zero too', async (t) => {
  const chosen = withDefaults({ maxSessions: 0, retry: 7 })
  t.strictSame(chosen, { ...limits, maxSessions: 0, retry: 7 })
  t.not(limits.retry, 7, 'and are nobody else’s')
})

t.test('options beside limits are left out', async (t) => {
  const options = { retry: 7, host: 'localhost' }
  t.strictSame(Object.keys(withDefaults(options)), Object.keys(limits))
})

t.test(
  'a message is no larger than the limit, and never larger than a string can be',
  async (t) => {
    t.equal(largestMessage(), limits.maxMessage)
    t.equal(largestMessage(100), 100)
    t.ok(largestMessage(0) < constants.MAX_STRING_LENGTH)
    t.equal(largestMessage(2 ** 40), largestMessage(0))
  }
)
