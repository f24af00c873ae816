// All rows of the matrix: name → { title, dash, run, … }. `dash` returns why the fault cannot happen at a
// place. `bound` is how long a call may take, in ms. `waits` marks cells that mostly wait, `alone` those
// that measure times.

import { clientRows } from './rows/client.js'
import { crowdRows } from './rows/crowd.js'
import { remoteRows } from './rows/remote.js'
import { resourceRows } from './rows/resources.js'
import { serverRows } from './rows/server.js'
import { signalRows } from './rows/signals.js'

export const rows = {
  ...serverRows,
  ...clientRows,
  ...crowdRows,
  ...remoteRows,
  ...signalRows,
  ...resourceRows
}
