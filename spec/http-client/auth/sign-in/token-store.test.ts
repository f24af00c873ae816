// The store of tokens that processes share, and its lock.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { homedir, hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import tap, { test } from 'tap'
import type { Test } from 'tap'
import { browse, startAuthorizationServer } from '../../../../fixtures/servers/authorization.js'
import { SignIn } from '../../../../lib/http-client/auth/sign-in.ts'
import { withLock } from '../../../../lib/http-client/auth/sign-in/lock.ts'
import { storeFolder } from '../../../../lib/http-client/auth/sign-in/store-folder.ts'
import { listStored, TokenStore } from '../../../../lib/http-client/auth/sign-in/token-store.ts'

// The tests with these options only wait, for seconds, so they run beside others.
tap.jobs = 3
const beside = { buffered: true }

tap.setTimeout(120_000)

const server = new URL('https://user@example.com/mcp?key=secret')
const { signal } = new AbortController()
const grant = {
  issuer: 'https://example.com',
  tokenEndpoint: 'https://example.com/token',
  resource: 'https://example.com/mcp',
  registration: { clientId: 'a', method: 'none' as const },
  port: 1,
  accessToken: 'access-1'
}

test('each platform has its folder', (t) => {
  const home = homedir()
  t.equal(storeFolder({ XDG_CONFIG_HOME: '/x' }, 'linux'), '/x/mcp-duplex')
  t.equal(storeFolder({ XDG_CONFIG_HOME: 'x' }, 'linux'), join(home, '.config/mcp-duplex'))
  const mac = join(home, 'Library/Application Support/mcp-duplex')
  t.equal(storeFolder({}, 'darwin'), mac)
  t.equal(storeFolder({ APPDATA: '/r' }, 'win32'), '/r/mcp-duplex')
  t.equal(storeFolder({}, 'win32'), join(home, 'AppData/Roaming/mcp-duplex'))
  t.end()
})

test('what is saved can be loaded and removed, and only the user can read it', async (t) => {
  const folder = join(t.testdir(), 'new', 'mcp-duplex')
  const store = new TokenStore(folder, server)
  t.equal(await store.load(), undefined)
  t.equal(await store.remove(), false)
  t.strictSame(await listStored(folder), [])
  t.equal(await store.exclusively(() => store.save(grant), signal), undefined)
  t.strictSame(await store.load(), grant)
  t.equal(await new TokenStore(folder, server, 'other').load(), undefined)
  t.equal(statSync(folder).mode & 0o777, 0o700)
  for (const name of readdirSync(folder)) {
    t.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name)
    t.match(name, /^example\.com-[0-9a-f]{16}\./)
  }
  t.strictSame(await listStored(folder), [{ schema: 1, server: 'https://example.com/mcp', grant }])
  t.equal(await store.remove(), true)
  t.equal(await store.load(), undefined)
})

test('a file that is damaged or from a newer release is an error without its text', async (t) => {
  const folder = t.testdir()
  const store = new TokenStore(folder, server)
  await store.save(grant)
  const file = join(folder, readdirSync(folder)[0] as string)
  for (const text of [
    '',
    '{"secret',
    '5',
    'null',
    '{"schema":1}',
    '{"schema":1,"grant":{}}',
    '{}'
  ]) {
    writeFileSync(file, text)
    await t.rejects(store.load(), {
      code: 'ERR_TOKEN',
      message: `${file} is damaged: remove it, and sign in again`
    })
  }
  writeFileSync(file, '{"schema":2}')
  await t.rejects(listStored(folder), {
    message: `a newer mcp-proxy wrote ${file}: update this one`
  })
})

test('a folder that cannot be used is an error', async (t) => {
  const file = join(t.testdir({ file: '' }), 'file')
  const store = new TokenStore(join(file, 'x'), server)
  const error = { code: 'ERR_TOKEN', message: `cannot write the tokens in ${join(file, 'x')}` }
  await t.rejects(store.save(grant), error)
  await t.rejects(store.remove(), error)
  await t.rejects(
    store.exclusively(() => Promise.resolve(), signal),
    error
  )
  await t.rejects(store.load(), { code: 'ERR_TOKEN' })
  await t.rejects(listStored(join(file, 'x')), { code: 'ERR_TOKEN' })
  const failing = new TokenStore(t.testdir(), server)
  await t.rejects(
    failing.exclusively(() => Promise.reject(new Error('work')), signal),
    { message: 'work' }
  )
})

test('the lock lets one in at a time, and leaves one file', async (t) => {
  const folder = t.testdir()
  let inside = 0
  let most = 0
  const work = async (): Promise<void> => {
    most = Math.max(most, ++inside)
    await sleep(5)
    inside--
  }
  await Promise.all(
    Array.from({ length: 20 }, () => withLock(folder, 'a', work, new AbortController().signal))
  )
  t.equal(most, 1)
  t.strictSame(readdirSync(folder), ['a.lock.20'])
})

test('an abort ends the wait for the lock', async (t) => {
  const folder = t.testdir()
  const controller = new AbortController()
  await withLock(
    folder,
    'a',
    async () => {
      const waiting = withLock(folder, 'a', () => Promise.resolve(), controller.signal)
      setTimeout(() => controller.abort(), 20)
      await t.rejects(waiting, { name: 'AbortError' })
    },
    signal
  )
})

test('the lock of a process that was killed is free at once', async (t) => {
  const folder = t.testdir()
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  await once(child, 'spawn')
  const file = join(folder, 'a.lock.7')
  writeFileSync(file, JSON.stringify({ pid: child.pid, host: hostname() }))
  let held = false
  const waiting = withLock(folder, 'a', () => Promise.resolve((held = true)), signal)
  await sleep(150)
  t.equal(held, false)
  child.kill('SIGKILL')
  const before = performance.now()
  await waiting
  t.ok(performance.now() - before < 1000)
  t.notOk(existsSync(file))
})

test('the lock of another machine is free when nobody touches it', beside, async (t) => {
  const folder = t.testdir()
  const file = join(folder, 'a.lock.1')
  writeFileSync(file, JSON.stringify({ pid: 1, host: 'elsewhere' }))
  let held = false
  const waiting = withLock(folder, 'a', () => Promise.resolve((held = true)), signal)
  await sleep(100)
  t.equal(held, false)
  const old = Date.now()
  utimesSync(file, 1, 1)
  await waiting
  t.ok(Date.now() - old > 2500, 'the machine may have slept, so one look is not enough')
})

test('a lock is not free after a sleep of the machine', beside, async (t) => {
  const folder = t.testdir()
  const file = join(folder, 'a.lock.1')
  writeFileSync(file, JSON.stringify({ pid: process.pid, host: hostname() }))
  utimesSync(file, 1, 1)
  const controller = new AbortController()
  const waiting = withLock(folder, 'a', () => Promise.resolve(), controller.signal)
  await sleep(500)
  const now = new Date()
  utimesSync(file, now, now)
  await sleep(4000)
  controller.abort()
  await t.rejects(waiting, { name: 'AbortError' })
})

test('the holder touches its file, so that the lock does not become free', beside, async (t) => {
  const folder = t.testdir()
  await withLock(
    folder,
    'a',
    async () => {
      const file = join(folder, 'a.lock.1')
      utimesSync(file, 1, 1)
      await sleep(2300)
      t.ok(statSync(file).mtimeMs > 1000)
    },
    signal
  )
})

test('a lock that cannot be read is not free', async (t) => {
  const folder = t.testdir({ 'a.lock.1': {} })
  const soon = AbortSignal.timeout(150)
  const waiting = withLock(folder, 'a', () => Promise.resolve(), soon)
  await t.rejects(waiting, { name: 'TimeoutError' })
})

const realLink = promises.link

/** Replaces the function of Node that makes a link, until the end of the test. */
function replaceLink(t: Test, link: (from: string, to: string) => Promise<void>): void {
  Object.assign(promises, { link })
  syncBuiltinESMExports()
  t.teardown(() => {
    Object.assign(promises, { link: realLink })
    syncBuiltinESMExports()
  })
}

test('a process that was slow takes no number that others have left behind', async (t) => {
  const folder = t.testdir()
  let isFirst = true
  const link = async (from: string, to: string): Promise<void> => {
    if (isFirst) {
      isFirst = false
      writeFileSync(join(folder, 'a.lock.5'), '')
    }
    await realLink(from, to)
  }
  replaceLink(t, link)
  await withLock(folder, 'a', () => Promise.resolve(), signal)
  t.strictSame(readdirSync(folder), ['a.lock.6'])
})

test('a number that another process takes first, and a folder without links', async (t) => {
  const folder = t.testdir()
  const codes = ['EEXIST', 'EPERM']
  const link = (): Promise<void> => {
    const code = codes.shift() as string
    return Promise.reject(Object.assign(new Error(code), { code }))
  }
  replaceLink(t, link)
  const error = { code: 'EPERM' }
  await t.rejects(
    withLock(folder, 'a', () => Promise.resolve(), signal),
    error
  )
  t.strictSame(readdirSync(folder), [])
})

test('processes with one store share a sign-in and a refresh', async (t) => {
  const authorization = await startAuthorizationServer()
  t.teardown(() => authorization.close())
  const folder = t.testdir()
  const show = (url: URL): void => void browse(url)
  const all = Array.from({ length: 10 }, () => {
    const store = new TokenStore(folder, authorization.url)
    return new SignIn({ server: authorization.url, env: {}, show, store })
  })
  const call = async (signIn: SignIn): Promise<string | undefined> => {
    signIn.refused(await signIn.authorize(undefined), {})
    return signIn.authorize(undefined)
  }
  const first = await Promise.all(all.map(call))
  t.equal(new Set(first).size, 1)
  const second = await Promise.all(all.map(call))
  t.equal(new Set(second).size, 1)
  t.not(second[0], first[0])
  t.match(authorization.counts, { authorize: 1, refresh: 1, register: 1 })
})

test('two hundred at once make one sign-in, and one refresh', async (t) => {
  const server = await startAuthorizationServer()
  t.teardown(() => server.close())
  const folder = t.testdir({})
  const all = Array.from(
    { length: 200 },
    () =>
      new SignIn({
        server: server.url,
        env: {},
        show: (url) => void browse(url),
        store: new TokenStore(folder, server.url)
      })
  )
  const authorize = (): Promise<(string | undefined)[]> =>
    Promise.all(
      all.map((signIn) => {
        signIn.refused(`Bearer ${[...server.access.keys()].at(-1)}`, {})
        return signIn.authorize(undefined)
      })
    )
  const first = new Set(await authorize())
  t.equal(first.size, 1)
  const second = new Set(await authorize())
  t.equal(second.size, 1)
  t.match(server.counts, { authorize: 1, register: 1, refresh: 1 })
})
