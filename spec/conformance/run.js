// Runs the official conformance suite against this project: npm run conformance
//
// A proxy must not change the result of a server. So the suite tests one server over three routes:
//   direct       without a proxy
//   one proxy    server mode in front of the stdio server
//   two proxies  server mode in front of client mode in front of the HTTP server
// A check that passes directly and fails through a proxy is a failure. Two more routes lead to a stdio
// server of the other era only, so the proxy translates: `one proxy, translated` and
// `two proxies, translated`. There only the required scenarios count, and `untranslatable` in checks.js
// lists those that cannot pass, with the reason. Then the suite tests a client
// that reaches the suite's server through client mode (client). The scenarios of `not_scored`, and those
// of 2025-03-26 about authorization, run too, but do not count.
//
// --server URL    test this HTTP server, instead of the one in fixtures/conformance
// --proxy PATH    use this mcp-proxy, instead of the one of this project
// --revision R    only this revision; can be repeated
// --auth          the proxies ask for a token, which is added to each request of the suite
// --only ROUTE    only this route, for example direct or "one proxy", or client; can be repeated

import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { addToken } from './add-token.js'
import { prepareSuite } from './official-suite.js'
import { report } from './report.js'
import { startServer } from './start-server.js'

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))

const { values: flags } = parseArgs({
  options: {
    server: { type: 'string' },
    proxy: { type: 'string', default: path('../../bin/mcp-proxy.js') },
    revision: { type: 'string', multiple: true, default: ['2025-11-25', '2026-07-28'] },
    auth: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true }
  }
})

const { proxy } = flags
const server = path('../../fixtures/conformance/server.js')
const serve = [proxy, '--port', '0', '--']

// Revision 2025-03-26 has no list of required scenarios.
const backCompatible = [
  'auth/2025-03-26-oauth-metadata-backcompat',
  'auth/2025-03-26-oauth-endpoint-fallback'
]

const suite = await prepareSuite()
const fixture = flags.server === undefined ? await startServer(server, '--http', '0') : undefined
const url = flags.server ?? fixture.url

/** The era of the server that does not speak the revision. */
const otherEra = { '2025-11-25': 'modern', '2026-07-28': 'legacy' }

/** Route → a function of the revision that starts the route and resolves to { url, stop }. */
const routes = {
  direct: async () => ({ url, stop: () => {} }),
  // A server of --server cannot be started on stdio.
  ...(fixture && { 'one proxy': () => startProxy(process.execPath, server) }),
  'two proxies': () => startProxy(process.execPath, proxy, url),
  ...(fixture && {
    'one proxy, translated': (revision) => startOther(revision),
    'two proxies, translated': async (revision) => {
      const inner = await startOther(revision)
      const outer = await startProxy(process.execPath, proxy, inner.url)
      const stop = async () => {
        await outer.stop()
        await inner.stop()
      }
      return { url: outer.url, stop }
    }
  })
}

const startOther = (revision) => startProxy(process.execPath, server, '--era', otherEra[revision])

/** Starts a proxy in server mode in front of a command. With `--auth`, it asks for a token. */
async function startProxy(...command) {
  if (!flags.auth) return startServer(...serve, ...command)
  const token = randomUUID()
  const file = join(await mkdtemp(join(tmpdir(), 'conformance-')), 'tokens')
  await writeFile(file, `suite:${token}\n`)
  const [program, ...rest] = serve
  const guarded = await startServer(program, '--auth-token-file', file, ...rest, ...command)
  const forwarder = await addToken(guarded.url, token)
  const stop = async () => {
    forwarder.stop()
    await guarded.stop()
    await rm(dirname(file), { recursive: true })
  }
  return { url: forwarder.url, stop }
}

const results = []
try {
  for (const revision of flags.revision) {
    const required = await suite.requirements(revision)
    const servers = await testServer(revision)
    const clients = wants('client') ? await testClient(revision, required) : []
    results.push({ revision, required, servers, clients })
  }
  if (wants('client')) {
    const required = { server: [], client: [], unscored: backCompatible }
    const clients = await testClient('2025-03-26', required)
    results.push({ revision: '2025-03-26', required, servers: new Map(), clients })
  }
} finally {
  await fixture?.stop()
}
process.exitCode = report(results) ? 0 : 1

/** Resolves to a map: route → scenario → checks. */
async function testServer(revision) {
  const found = new Map()
  for (const [route, start] of Object.entries(routes)) {
    if (!wants(route)) continue
    console.error(`testing the server, ${revision}, ${route}`)
    const { url: served, stop } = await start(revision)
    found.set(route, (await suite.testServer(served, revision)).checks)
    await stop()
  }
  return found
}

// One after the other: some scenarios measure time.
async function testClient(revision, required) {
  const command = [process.execPath, path('../../fixtures/conformance/client.js'), proxy].join(' ')
  const found = []
  for (const scenario of [...required.client, ...required.unscored]) {
    console.error(`testing the client, ${revision}, ${scenario}`)
    found.push({ scenario, ...(await suite.testClient(command, scenario, revision)) })
  }
  return found
}

function wants(route) {
  return flags.only?.includes(route) ?? true
}
