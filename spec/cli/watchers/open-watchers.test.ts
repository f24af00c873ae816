// All watchers of a mode together.

import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { openWatchers } from '../../../lib/cli/watchers/open-watchers.ts'
import type { WatchersOptions } from '../../../lib/cli/watchers/open-watchers.ts'
import { LineFile } from '../../../lib/line-file.ts'
import { silent } from '../../../lib/log.ts'
import { KeptLog } from '../../helpers.ts'

const options = (more: Partial<WatchersOptions> = {}): WatchersOptions => ({
  endpoints: () => ({ urls: {}, needsToken: false }),
  log: silent,
  logFile: undefined,
  ...more
})

t.test('without flags nothing is open', async (t) => {
  const watchers = await openWatchers({ inspectMemory: 0 }, options())
  t.match(watchers, { audit: undefined, metricsPage: undefined, trace: undefined, files: [] })
  await watchers.close()
})

t.test('the metrics show what waits in each open file and each queue of the mode', async (t) => {
  const directory = t.testdir()
  const logFile = await LineFile.open(`${directory}/log`, { what: 'log', log: silent })
  const watchers = await openWatchers(
    { inspectMemory: 0, metrics: { path: '/metrics' }, audit: `${directory}/audit` },
    options({ logFile, queues: () => ({ bodies: 5 }) })
  )
  t.equal(watchers.files.length, 2)
  const text = (await watchers.metricsPage?.text()) ?? ''
  const queues = text.split('\n').filter((line) => line.startsWith('mcp_duplex_queue_bytes'))
  t.strictSame(queues, [
    'mcp_duplex_queue_bytes{queue="audit"} 0',
    'mcp_duplex_queue_bytes{queue="log"} 0',
    'mcp_duplex_queue_bytes{queue="bodies"} 5'
  ])
  await watchers.close()
  await logFile.close()
})

t.test('if one cannot be opened, those before it are closed', async (t) => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as AddressInfo
  const log = new KeptLog()
  const address = { host: '127.0.0.1', port: 0 }
  await t.rejects(
    openWatchers(
      { inspectMemory: 0, metrics: address, inspect: { ...address, port } },
      options({ log })
    ),
    { code: 'ERR_LISTEN' }
  )
  const [, url = ''] = /^info: metrics: (\S+)$/.exec(log.lines[0] ?? '') ?? []
  t.match(url, /^http:/)
  await t.rejects(fetch(url), 'the metrics are no longer served')
  taken.close()
})
