// The limits, and what of them callers choose.

import { constants } from 'node:buffer'
import t from 'tap'
import { largestMessage, limits } from '../lib/limits.ts'

t.test(
  'a message is no larger than the limit, and never larger than a string can be',
  async (t) => {
    t.equal(largestMessage(), limits.maxMessage)
    t.equal(largestMessage(100), 100)
    t.ok(largestMessage(0) < constants.MAX_STRING_LENGTH)
    t.equal(largestMessage(2 ** 40), largestMessage(0))
  }
)
