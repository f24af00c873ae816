// The metrics of --metrics.

import t from 'tap'
import { openMetrics } from '../../../lib/cli/watchers/open-metrics.ts'
import { silent } from '../../../lib/log.ts'
import { KeptLog } from '../../helpers.ts'

t.test('without a place there are no metrics', async (t) => {
  t.equal(await openMetrics(undefined, { log: silent }), undefined)
})

t.test('for a path, the listener of the clients gets a page', async (t) => {
  const open = await openMetrics({ path: '/m' }, { log: silent })
  t.match(open?.page, { path: '/m', contentType: /^text\/plain/ })
  t.match(await open?.page?.text(), /^process_resident_memory_bytes /m)
  await open?.close()
})

t.test('for an address, they have a listener of their own', async (t) => {
  const log = new KeptLog()
  const open = await openMetrics({ host: '127.0.0.1', port: 0 }, { log })
  t.equal(open?.page, undefined)
  const [, url = ''] =
    /^info: metrics: (http:\/\/127\.0\.0\.1:\d+\/metrics)$/.exec(log.lines[0] ?? '') ?? []
  const response = await fetch(url)
  t.equal(response.status, 200)
  t.match(await response.text(), /^mcp_duplex_calls_in_flight 0$/m)
  t.equal((await fetch(new URL('/mcp', url), { method: 'POST' })).status, 404, 'it serves no MCP')
  t.equal((await fetch(url, { headers: { origin: 'https://evil.example' } })).status, 403)
  const { port } = new URL(url)
  await t.rejects(openMetrics({ host: '127.0.0.1', port: Number(port) }, { log }), {
    code: 'ERR_LISTEN',
    message: `--metrics: cannot listen on 127.0.0.1:${port}: the port is taken`
  })
  await open?.close()
  await t.rejects(fetch(url))
})
