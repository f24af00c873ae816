// The metrics of --metrics.

import t from 'tap'
import { openMetrics, waitingIn } from '../../lib/cli/open-metrics.ts'
import { silent } from '../../lib/log.ts'
import { KeptLog } from '../helpers.ts'

t.test('without a place there are no metrics', async (t) => {
  t.equal(await openMetrics(undefined, { log: silent }), undefined)
})

t.test('for a path, the listener of the clients gets a page', async (t) => {
  const open = await openMetrics({ path: '/m' }, { log: silent })
  t.match(open?.page, { path: '/m', contentType: /^text\/plain/ })
  t.match(await open?.page?.text(), /^process_resident_memory_bytes /m)
  await open?.serve()
  await open?.close()
})

t.test('for an address, they have a listener of their own', async (t) => {
  const log = new KeptLog()
  const open = await openMetrics({ host: '127.0.0.1', port: 0 }, { log })
  t.equal(open?.page, undefined)
  t.strictSame([...log.lines], [], 'which begins with `serve`')
  await open?.serve()
  const [, url = ''] =
    /^info: metrics: (http:\/\/127\.0\.0\.1:\d+\/metrics)$/.exec(log.lines[0] ?? '') ?? []
  const response = await fetch(url)
  t.equal(response.status, 200)
  t.match(await response.text(), /^mcp_duplex_calls_in_flight 0$/m)
  t.equal((await fetch(new URL('/mcp', url), { method: 'POST' })).status, 404, 'it serves no MCP')
  t.equal((await fetch(url, { headers: { origin: 'https://evil.example' } })).status, 403)
  const { port } = new URL(url)
  const other = await openMetrics({ host: '127.0.0.1', port: Number(port) }, { log })
  await t.rejects(other?.serve() as Promise<void>, {
    code: 'ERR_LISTEN',
    message: `--metrics: cannot listen on 127.0.0.1:${port}: the port is taken`
  })
  await other?.close()
  await open?.close()
  await t.rejects(fetch(url))
})

t.test('the queues are the files that are open', async (t) => {
  t.strictSame(waitingIn({ audit: { waiting: 7 }, record: undefined }), { audit: 7 })
})
