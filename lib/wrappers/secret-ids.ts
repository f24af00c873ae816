// The ids of requests at a shared server. A client must not be able to guess the id of another
// client's request, because with it the client might forge progress or cancel the request. So the
// ids are random.
//
// The ids are below 2 ^ 31, because some servers read them as 32-bit integers. The proxy's own
// requests have the small numbers, so that the two kinds never meet.

import { randomFillSync } from 'node:crypto'

/** The ids of the proxy's own requests are below this number, and those of clients are not. */
const firstSecret = 2 ** 20
const endOfIds = 2 ** 31

/** Random numbers for the next ids. To fetch many at once costs much less than one at a time. */
const pool = new Uint32Array(256)
let used = pool.length

/** Returns a random id for the request of a client. */
export function secretId(): number {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  return firstSecret + ((pool[used++] as number) % (endOfIds - firstSecret))
}

/** Returns the id after `last` for a request of the proxy itself. The first id is 1. */
export const nextOwnId = (last: number): number => (last % (firstSecret - 1)) + 1
