// Runs the official conformance suite against this project: npm run conformance
//
// A proxy that changes nothing scores what the server behind it scores. So the suite is run against
// a server directly, through one hop (a stdio server behind server mode) and through two (an HTTP
// server behind client mode behind server mode), and each check that a hop loses is a failure. Then
// it is run against a client that reaches it through client mode.
//
// --server URL    another HTTP server to put behind two hops, instead of the fixture
// --proxy PATH    another mcp-proxy than the one here
// --revision R    only this revision; repeatable
// --only LEG      direct, one hop, two hops or client; repeatable

import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startServer } from './processes.js'
import { report } from './report.js'
import { prepareSuite } from './suite.js'

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))

const { values: flags } = parseArgs({
  options: {
    server: { type: 'string' },
    proxy: { type: 'string', default: path('../../bin/mcp-proxy.js') },
    revision: { type: 'string', multiple: true, default: ['2025-11-25', '2026-07-28'] },
    only: { type: 'string', multiple: true }
  }
})

const { proxy } = flags
const server = path('../../fixtures/conformance/server.js')
const serve = [proxy, '--port', '0', '--']

// Those of the requirements that are not about authorization.
const clientScenarios = {
  '2025-11-25': [
    'initialize',
    'tools_call',
    'elicitation-sep1034-client-defaults',
    'sse-retry',
    'json-schema-2020-12-preservation'
  ],
  '2026-07-28': [
    'tools_call',
    'request-metadata',
    'http-standard-headers',
    'http-custom-headers',
    'http-invalid-tool-headers',
    'sep-2322-client-request-state',
    'json-schema-ref-no-deref',
    'json-schema-2020-12-preservation'
  ]
}

const suite = await prepareSuite()
const fixture = flags.server === undefined ? await startServer(server, '--http', '0') : undefined
const url = flags.server ?? fixture.url

const legs = {
  direct: async () => ({ url, stop: () => {} }),
  // Of another server there is only a URL.
  ...(fixture && { 'one hop': () => startServer(...serve, process.execPath, server) }),
  'two hops': () => startServer(...serve, process.execPath, proxy, url)
}

const results = []
try {
  for (const revision of flags.revision) {
    const { server: scored, client: scoredOfClient } = await suite.requirements(revision)
    const servers = await runServerLegs(revision)
    const clients = wants('client') ? await runClientLeg(revision) : []
    results.push({ revision, scored, scoredOfClient, servers, clients })
  }
} finally {
  await fixture?.stop()
}
process.exitCode = report(results) ? 0 : 1

async function runServerLegs(revision) {
  const found = new Map() // leg → scenario → checks
  for (const [leg, start] of Object.entries(legs)) {
    if (!wants(leg)) continue
    console.error(`${revision} ${leg}`)
    const { url: served, stop } = await start()
    found.set(leg, (await suite.runServer(served, revision)).checks)
    await stop()
  }
  return found
}

// One after the other: some of them measure time.
async function runClientLeg(revision) {
  const command = [process.execPath, path('../../fixtures/conformance/client.js'), proxy].join(' ')
  const found = []
  for (const scenario of clientScenarios[revision] ?? []) {
    console.error(`${revision} client ${scenario}`)
    found.push({ scenario, ...(await suite.runClient(command, scenario, revision)) })
  }
  return found
}

function wants(leg) {
  return flags.only?.includes(leg) ?? true
}
