// The ids of requests at a shared server.

import t from 'tap'
import { nextOwnId, secretId } from '../../lib/wrappers/secret-ids.ts'

t.test("the ids of clients' requests and those of the proxy never meet", async (t) => {
  const ids = Array.from({ length: 10_000 }, secretId)
  const largestOwn = 2 ** 20 - 1
  t.ok(ids.every((id) => id > largestOwn && id < 2 ** 31))
  t.equal(nextOwnId(0), 1)
  t.equal(nextOwnId(1), 2)
  t.equal(nextOwnId(largestOwn - 1), largestOwn)
  t.equal(nextOwnId(largestOwn), 1)
})
