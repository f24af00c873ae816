// The server of the traffic page, as a browser sees it.

import { request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { writeFileSync } from 'node:fs'
import { text as textOf } from 'node:stream/consumers'
import t from 'tap'
import type { Test } from 'tap'
import { inspect, inspectRecording } from '../../lib/inspect/inspect.ts'
import type { Inspector } from '../../lib/inspect/inspect.ts'
import { maxPages } from '../../lib/inspect/page-server.ts'
import { maxBurst, maxRate } from '../../lib/inspect/page-stream.ts'
import { channel } from 'node:diagnostics_channel'
import { ProxyError } from '../../lib/errors.ts'
import type { FactClient } from '../../lib/streams/facts.ts'
import {
  publishMessage,
  publishOpen,
  publishProcess,
  publishRefusal
} from '../../lib/streams/facts.ts'
import { fixture, KeptLog, request, until } from '../helpers.ts'

const page = '<style>a{}</style><script>run()</script>'
const client: FactClient = { server: '', session: 'abcdefghi', kind: 'session' }

interface Opened {
  inspector: Inspector
  log: KeptLog
}

async function open(t: Test, more: { host?: string; port?: number } = {}): Promise<Opened> {
  const file = `${t.testdir()}/inspect.html`
  writeFileSync(file, page)
  const log = new KeptLog()
  const endpoints = () => ({ urls: { '': 'http://u/mcp' }, needsToken: true })
  const place = { host: '127.0.0.1', port: 0, memory: 0, ...more }
  const inspector = await inspect({ ...place, log, file, endpoints })
  t.teardown(() => inspector.close())
  return { inspector, log }
}

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

function ask(url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port, pathname, search } = new URL(url)
    const options = { hostname: hostname.replace(/[[\]]/g, ''), port, path: pathname + search }
    httpRequest({ ...options, headers, method, agent: false }, (response) => {
      void textOf(response).then((text) =>
        resolve({ status: response.statusCode as number, headers: response.headers, text })
      )
    })
      .on('error', reject)
      .end()
  })
}

/** Opens the page, and returns its URL without the token, and the cookie. */
async function visit({ inspector }: Opened): Promise<{ url: string; cookie: string }> {
  const { url } = inspector
  const { headers, status } = await ask(url)
  if (status !== 200) throw new Error(`status ${status}`)
  const cookie = (headers['set-cookie']?.[0] ?? '').split(';')[0] as string
  return { url: url.replace(/\?.*/, ''), cookie }
}

interface Stream {
  text: string
  status: number | undefined
  /** Everything of one kind that has come. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a missing member fails the test
  data(event: string): any[]
  close(): void
}

function listen(
  t: Test,
  url: string,
  headers: Record<string, string>,
  reads = true
): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${url}events`, { headers, agent: false }, (response) => {
      const stream: Stream = {
        text: '',
        status: response.statusCode,
        data: (event) =>
          stream.text
            .split('\n\n')
            .filter((block) => (/^event: (.*)$/m.exec(block)?.[1] ?? 'message') === event)
            .flatMap((block) => /^data: (.*)$/m.exec(block)?.[1] ?? [])
            .map((json) => JSON.parse(json)),
        close: () => sent.destroy()
      }
      if (reads) response.setEncoding('utf8').on('data', (part: string) => (stream.text += part))
      response.on('error', () => {})
      resolve(stream)
    })
    sent.on('error', reject).end()
    t.teardown(() => sent.destroy())
  })
}

t.test('the URL opens the page in one browser, and the log has the next URL', async (t) => {
  const opened = await open(t)
  const { inspector, log } = opened
  const first = inspector.url
  t.equal(log.lines[0], `info: inspect: ${first}`)
  const { status, headers, text } = await ask(first)
  t.equal(status, 200)
  t.equal(text, page)
  const [cookie = ''] = headers['set-cookie'] ?? []
  const { pathname } = new URL(first)
  t.match(cookie, /; HttpOnly; SameSite=Strict$/)
  t.match(cookie, `; Path=${pathname};`)
  t.notMatch(cookie, new URL(first).searchParams.get('token'))
  t.not(inspector.url, first)
  t.equal(log.lines[1], `info: inspect: opened in a browser; for another one: ${inspector.url}`)
  t.equal((await ask(first)).status, 403, 'the first URL is used up')
  t.match((await ask(first)).text, 'was used already')
  const [pair = ''] = cookie.split(';')
  const own = first.replace(/\?.*/, '')
  t.equal((await ask(own, { cookie: `a=b; ${pair}` })).status, 200)
  t.equal((await ask(own, { cookie: `${pair}x` })).status, 403)
  t.match((await ask(own)).text, 'Open the URL that the proxy has printed last')
  t.equal((await ask(`${own}other`, { cookie: pair })).status, 404)
  t.equal((await ask(own, { cookie: pair }, 'POST')).status, 405)
  t.equal((await ask(`${own}x?token=${first.split('=')[1]}`)).status, 403)
})

t.test('all responses forbid the browser what the page does not need', async (t) => {
  const opened = await open(t)
  for (const { headers } of [
    await ask(opened.inspector.url),
    await ask(opened.inspector.url, {}, 'POST')
  ]) {
    t.equal(headers['cache-control'], 'no-store')
    t.equal(headers['referrer-policy'], 'no-referrer')
    t.equal(headers['x-content-type-options'], 'nosniff')
    const policy = String(headers['content-security-policy'])
    t.match(policy, "default-src 'none'; script-src 'sha256-")
    t.match(
      policy,
      /connect-src 'self'.*frame-ancestors 'none'.*require-trusted-types-for 'script'/
    )
    // printf 'run()' | openssl dgst -sha256 -binary | base64
    t.match(policy, "script-src 'sha256-AvyuiL0SD1mVY3NNxR+V2uo+lhk6RMFrytWmRt6CrJQ='")
  }
})

t.test('other hosts and other origins are refused', async (t) => {
  const opened = await open(t)
  const { url, cookie } = await visit(opened)
  const { host, port } = new URL(url)
  const status = async (headers: Record<string, string>): Promise<number> =>
    (await ask(url, { cookie, ...headers })).status
  for (const name of [
    `localhost:${port}`,
    `LOCALHOST`,
    `127.0.0.1:${port}`,
    `[::1]:${port}`,
    '10.0.0.1'
  ]) {
    t.equal(await status({ host: name }), 200, name)
  }
  for (const name of [
    'evil.example',
    `evil.example:${port}`,
    'localhost.evil.example',
    '127.0.0.1.evil.example'
  ]) {
    t.equal(await status({ host: name }), 403, name)
  }
  t.equal(await status({ origin: `http://${host}` }), 200)
  for (const origin of ['null', 'http://evil.example', `http://127.0.0.1:${Number(port) + 1}`]) {
    t.equal(await status({ origin }), 403, origin)
  }
  t.equal(await status({ 'sec-fetch-site': 'same-origin' }), 200)
  t.equal(await status({ 'sec-fetch-site': 'none' }), 200)
  t.equal(await status({ 'sec-fetch-site': 'same-site' }), 403)
  t.equal(await status({ 'sec-fetch-site': 'cross-site' }), 403)
  t.equal(await status({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }), 200)
})

t.test('a page gets what was there, and then what passes', async (t) => {
  const opened = await open(t)
  const { url, cookie } = await visit(opened)
  publishOpen(client)
  const first = await listen(t, url, { cookie })
  await until(() => first.data('message').length === 1)
  t.match(first.data('hello'), [{ version: /^\d/, urls: { '': 'http://u/mcp' }, needsToken: true }])
  t.match(first.data('sessions'), [{ sessions: [{ session: 1 }], dropped: 0 }])
  publishMessage(client, 'client', request(1, 'ping'))
  publishProcess({ type: 'stderr', server: '', pid: 1, command: 'x', line: 'hello' })
  publishRefusal({ error: new ProxyError('ERR_FORBIDDEN', 'no'), address: '192.0.2.1' })
  await until(() => first.data('message').flat().length === 4)
  t.match(first.data('message').flat(), [
    { seq: 0, type: 'open' },
    { seq: 1, type: 'message', method: 'ping' },
    { seq: 2, type: 'stderr', line: 'hello' },
    { seq: 3, type: 'refusal' }
  ])
  first.close()
  const again = await listen(t, url, { cookie, 'last-event-id': '2' })
  await until(() => again.data('message').length === 1)
  t.match(again.data('message')[0], [{ seq: 2 }, { seq: 3 }])
  for (const id of ['x', '-1', '5', '1.5']) {
    const stream = await listen(t, url, { cookie, 'last-event-id': id })
    await until(() => stream.data('message').flat().length === 4)
  }
})

t.test('a page that does not read loses entries and learns how many', async (t) => {
  const opened = await open(t)
  const { url, cookie } = await visit(opened)
  const sent = await new Promise<import('node:http').IncomingMessage>((resolve) => {
    const request = httpRequest(
      `${url}events`,
      { headers: { cookie }, agent: false },
      resolve
    ).end()
    t.teardown(() => request.destroy())
  })
  sent.on('error', () => {})
  const large = request(1, 'ping', { text: 'x'.repeat(1024 * 1024) })
  // More than the buffers of two sockets hold.
  for (let count = 0; count < 20; count++) {
    publishMessage(client, 'client', large)
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
  const small = request(1, 'ping')
  const started = performance.now()
  for (let count = 0; count < 50_000; count++) publishMessage(client, 'client', small)
  t.ok(performance.now() - started < 5000, 'and the traffic does not wait')
  let text = ''
  sent.setEncoding('utf8').on('data', (part: string) => (text += part))
  await until(() => /"dropped":[1-9]/.test(text))
  const dropped = Number(/"dropped":([1-9]\d*)/.exec(text)?.[1])
  t.ok(dropped > 20_000, `${dropped} are dropped`)
  await until(() => text.includes('"seq":50020'))
})

t.test('a page gets a burst as a whole, and a part of traffic that stays fast', async (t) => {
  const opened = await open(t)
  const { url, cookie } = await visit(opened)
  const stream = await listen(t, url, { cookie })
  const ping = request(1, 'ping')
  const got = (): number => stream.data('message').flat().length
  const dropped = (): number =>
    stream.data('sessions').reduce((sum, { dropped }) => sum + dropped, 0)
  const passes = (count: number): void => {
    for (let index = 0; index < count; index++) publishMessage(client, 'client', ping)
  }
  passes(1)
  await until(() => got() === 2)
  // The entry for the session and the first message count too.
  passes(maxBurst - 2)
  await until(() => stream.text.includes(`"seq":${maxBurst - 1},`))
  t.equal(dropped(), 0, 'the burst')
  const started = performance.now()
  for (let count = 0; count < 20; count++) {
    passes(2000)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  passes(1)
  const last = maxBurst + 20 * 2000
  await until(() => stream.text.includes(`"seq":${last},`))
  const most = maxBurst + (maxRate * (performance.now() - started + 2000)) / 1000
  t.ok(got() < most, `${got()} of at most ${most}`)
  t.equal(got() + dropped(), last + 1, 'each entry has come, or is counted')
})

t.test('entries that were gone before the page opened are counted too', async (t) => {
  const file = `${t.testdir()}/inspect.html`
  writeFileSync(file, 'no script')
  const log = new KeptLog()
  const endpoints = () => ({ urls: {}, needsToken: false })
  const place = { host: '127.0.0.1', port: 0, memory: 1000 }
  const inspector = await inspect({ ...place, log, file, endpoints })
  t.teardown(() => inspector.close())
  const { url, cookie } = await visit({ inspector, log })
  for (let count = 0; count < 10; count++) publishMessage(client, 'client', request(1, 'ping'))
  const stream = await listen(t, url, { cookie })
  await until(() => stream.data('message').length > 0)
  const [{ dropped }] = stream.data('sessions')
  t.equal(stream.data('message')[0][0].seq, dropped)
  t.ok(dropped > 0)
})

t.test('only some pages can be open', async (t) => {
  const opened = await open(t)
  const { url, cookie } = await visit(opened)
  const streams: Stream[] = []
  for (let count = 0; count < maxPages; count++) streams.push(await listen(t, url, { cookie }))
  t.equal(streams.at(-1)?.status, 200)
  t.equal((await ask(`${url}events`, { cookie })).status, 503)
  streams[0]?.close()
  await until(async () => {
    const stream = await listen(t, url, { cookie })
    return stream.status === 200
  })
})

t.test(
  'an address that cannot be used is an error, and so is a page that is missing',
  async (t) => {
    const { inspector } = await open(t)
    const port = Number(new URL(inspector.url).port)
    await t.rejects(open(t, { port }), {
      code: 'ERR_LISTEN',
      message: `--inspect: cannot listen on 127.0.0.1:${port}: the port is taken`
    })
    await t.rejects(open(t, { host: '203.0.113.1' }), {
      code: 'ERR_LISTEN',
      message: '--inspect: cannot listen on 203.0.113.1:0: the address is not usable'
    })
    const place = { host: '127.0.0.1', port: 0, memory: 0, log: new KeptLog(), file: '/nowhere' }
    const endpoints = () => ({ urls: {}, needsToken: false })
    await t.rejects(inspect({ ...place, endpoints }), {
      code: 'ERR_CONFIG',
      message: /the traffic page/
    })
  }
)

t.test('on all addresses, the URL is one that opens, and the log warns', async (t) => {
  const { inspector, log } = await open(t, { host: '0.0.0.0' })
  t.match(inspector.url, /^http:\/\/127\.0\.0\.1:/)
  t.match(log.lines[1], /^warn: inspect: the traffic page is not encrypted/)
  const six = await open(t, { host: '::1' })
  t.match(six.inspector.url, /^http:\/\/\[::1\]:/)
  t.equal((await ask(six.inspector.url)).status, 200)
  const all = await open(t, { host: '::' })
  t.match(all.inspector.url, /^http:\/\/127\.0\.0\.1:/)
})

t.test('a fact that cannot be shown is an error in the log', async (t) => {
  const { log } = await open(t)
  channel('mcp-duplex:message').publish({})
  t.match(log.lines.at(-1), /^error: not on the traffic page: /)
})

t.test('a recording has its name on the page', async (t) => {
  const log = new KeptLog()
  const line = { time: '2026-01-31T12:00:00Z', from: 'client', session: 's' }
  const directory = t.testdir({
    'inspect.html': page,
    empty: 'x\n',
    mixed: `x\n${JSON.stringify({ ...line, frame: '{"jsonrpc":"2.0","method":"a"}' })}\n`
  })
  const place = { host: '127.0.0.1', port: 0, memory: 0, log, file: `${directory}/inspect.html` }
  const recording = fixture('sessions/memory.ndjson')
  const inspector = await inspectRecording(recording, place)
  t.teardown(() => inspector.close())
  const { url, cookie } = await visit({ inspector, log })
  const stream = await listen(t, url, { cookie })
  await until(() => stream.data('message').length > 0)
  t.match(stream.data('hello'), [{ file: recording, urls: {} }])
  const empty = `${directory}/empty`
  await t.rejects(inspectRecording(empty, place), {
    message: `${empty} has no line of a recording`
  })
  const other = await inspectRecording(`${directory}/mixed`, place)
  t.ok(log.lines.includes(`warn: ${directory}/mixed: lines that are not of a recording: 1`))
  await other.close()
})
