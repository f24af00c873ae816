// The facts about restarts. `reconnect` asks for the next server when the last one is gone.

import type { Duplex } from 'node:stream'
import { publishRestart } from '../streams/facts.ts'
import type { RestartFact } from '../streams/facts.ts'

/** Returns `connect` for one `reconnect`. Each call but the first publishes a restart. */
export function countingRestarts(connect: () => Duplex, fact: RestartFact): () => Duplex {
  let isFirst = true
  return () => {
    if (!isFirst) publishRestart(fact)
    isFirst = false
    return connect()
  }
}
