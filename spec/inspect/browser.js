// Tests the traffic page in a real browser, with the built command: what a person does and sees, hostile
// messages, and a hundred thousand messages.
//
//   node spec/inspect/browser.js [PART OF A NAME]
//
// The browser is that of CHROMIUM, or one of the usual places. Without one, it exits with 75.

/* global document, getComputedStyle, navigator, requestAnimationFrame -- in functions that run in the page */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { chromium } from 'playwright-core'
import { httpClient } from '../../fixtures/clients/raw.js'
import { parseRecording, parseWords } from './texts.js'

const pathOf = (file) => fileURLToPath(new URL(`../../${file}`, import.meta.url))
const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const executablePath = [process.env.CHROMIUM, ...places].find((file) => file && existsSync(file))
if (executablePath === undefined) {
  console.log('there is no Chromium: set CHROMIUM to its path')
  process.exit(75)
}
if (!existsSync(pathOf('dist/inspect.html'))) {
  console.log('there is no dist/inspect.html: npm run build:js')
  process.exit(1)
}

const directory = mkdtempSync(path.join(tmpdir(), 'inspect-'))
const children = new Set()

/** Starts the command. Resolves to the URL of the page, and the lines of its log. */
async function start(args) {
  const child = spawn(process.execPath, [pathOf('bin/mcp-proxy.js'), ...args], {
    stdio: ['pipe', 'pipe', 'pipe']
  })
  children.add(child)
  child.once('exit', () => children.delete(child))
  const log = []
  createInterface({ input: child.stderr }).on('line', (line) => log.push(line))
  const find = async (pattern) => {
    for (let waited = 0; waited < 20_000; waited += 50) {
      const found = log.map((line) => pattern.exec(line)).find((found) => found !== null)
      if (found) return found[1]
      await sleep(50)
    }
    throw new Error(`not in the log: ${pattern}\n${log.join('\n')}`)
  }
  const url = await find(/inspect: (http:\S+)/)
  const stop = async () => {
    child.kill('SIGTERM')
    if (child.exitCode === null) await once(child, 'exit')
  }
  return { child, url, log, find, stop }
}

const browser = await chromium.launch({
  executablePath,
  // Chromium has no sandbox for root.
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : []
})

/** Opens a page. It fails the test at an error in the page, a dialog, or a request to elsewhere. */
async function open(url, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 860 },
    permissions: ['clipboard-read', 'clipboard-write'],
    ...options
  })
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  const faults = []
  page.on('pageerror', (error) => faults.push(`error: ${error.stack}`))
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console: ${message.text()}`)
  })
  page.on('dialog', (dialog) => faults.push(`dialog: ${dialog.message()}`))
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url())
    if (origin !== new URL(url).origin && protocol !== 'blob:' && protocol !== 'data:') {
      faults.push(`request: ${request.url()}`)
    }
  })
  await page.goto(url)
  const close = async () => {
    await context.close()
    assert.deepEqual(faults, [])
  }
  return { page, context, close }
}

/** Resolves when the page has drawn what has changed. */
const nextFrame = (page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))))

const rows = (page) => page.locator('.row')
const recordingOf = (name, frames) => {
  const file = path.join(directory, `${name}.ndjson`)
  const lines = frames.map(([from, message, session = 's', time = '2026-01-31T12:00:00.000Z']) => {
    const frame = typeof message === 'string' ? message : JSON.stringify(message)
    return `${JSON.stringify({ time, from, session, frame })}\n`
  })
  writeFileSync(file, lines.join(''))
  return file
}
const call = (id, name, args = {}) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args }
})

const tests = {
  async 'live traffic appears, and a call is followed from its request to its response'() {
    const noisy = `process.stderr.write('\\u001b[31mwarming up <b>now</b>\\n'); import(${JSON.stringify(pathOf('fixtures/servers/demo.js'))})`
    const proxy = await start([
      '--inspect',
      '0',
      '--port',
      '0',
      '--',
      process.execPath,
      '-e',
      noisy
    ])
    const mcp = await proxy.find(/(http:\S+\/mcp)/)
    const { page, close } = await open(proxy.url)
    await page.getByText('No traffic yet').waitFor()
    const client = httpClient(mcp)
    await client.initialize()
    await client.request('tools/call', { name: 'echo', arguments: { text: 'hello' } })
    await client.request('tools/call', { name: 'nothing' }).catch(() => {})
    const echo = rows(page).filter({ hasText: 'tools/callecho' })
    await echo.nth(1).waitFor()
    assert.equal(await echo.count(), 2, 'the request and the response')
    await page.getByText('\\u001b[31mwarming up <b>now</b>').waitFor()
    assert.match(await page.locator('.sidebar').innerText(), /default server/)
    assert.match(
      (await echo.first().getAttribute('aria-label')) ?? '',
      /request from client: tools\/call, echo/
    )
    await echo.first().click()
    const detail = page.locator('.detail')
    await detail.getByText('Response').waitFor()
    assert.match(await detail.innerText(), /Request[^]*"hello"[^]*Response[^]*"hello"/)
    assert.equal(await detail.locator('.badge.good').innerText(), 'ok')
    assert.equal(new URL(page.url()).search, '', 'the token is not in the address bar')
    await page.getByRole('button', { name: 'Pause' }).click()
    await client.request('tools/call', { name: 'echo', arguments: { text: 'later' } })
    await page.getByText('Paused, 2 new').waitFor()
    assert.equal(await echo.count(), 2)
    await page.getByRole('button', { name: 'Resume' }).click()
    await echo.nth(3).waitFor()
    // stderr belongs to each session of its server.
    await page.locator('.session-button').nth(1).click()
    await page.getByText('warming up').waitFor()
    await page.getByRole('button', { name: /Errors only/ }).click()
    await rows(page).filter({ hasText: 'echo' }).first().waitFor({ state: 'detached' })
    assert.ok((await rows(page).count()) >= 1)
    assert.equal(await page.locator('.row:not(.error)').count(), 0)
    await client.delete()
    client.close()
    await close()
    await proxy.stop()
  },

  async 'the URL is good for one browser, and no other site can read'() {
    const proxy = await start(['inspect', pathOf('fixtures/sessions/memory.ndjson')])
    const { page, context, close } = await open(proxy.url)
    await rows(page).first().waitFor()
    await page.reload()
    await rows(page).first().waitFor()
    const [cookie] = await context.cookies()
    assert.equal(cookie.httpOnly, true)
    assert.equal(cookie.sameSite, 'Strict')
    const other = await browser.newContext()
    const second = await other.newPage()
    assert.equal((await second.goto(proxy.url)).status(), 403)
    const next = await proxy.find(/for another one: (http:\S+)/)
    assert.equal((await second.goto(next)).status(), 200)
    await other.close()
    await close()
    await proxy.stop()
  },

  async 'the filter, the keyboard, and the search in JSON'() {
    const proxy = await start(['inspect', pathOf('fixtures/sessions/everything-http.ndjson')])
    const { page, close } = await open(proxy.url)
    await rows(page).first().waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('tool:get-sum is:request')
    await page.locator('.shown').getByText('1 of').waitFor()
    assert.equal(await rows(page).count(), 1)
    await page.keyboard.press('Enter')
    await page.locator('.detail').waitFor()
    assert.equal(await page.locator('.row[aria-selected=true]').count(), 1)
    await page.keyboard.press('Escape')
    await page.locator('.detail').waitFor({ state: 'detached' })
    await page.keyboard.press('Escape')
    await page.locator('.shown').getByText(/^60$/).waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowUp')
    await nextFrame(page)
    assert.equal(await page.locator('#list').getAttribute('aria-activedescendant'), 'row-0')
    await page.fill('#filter', 'method:tools/list is:response')
    await rows(page).first().click()
    await nextFrame(page)
    await page.fill('#json-search', 'GET-sum')
    await nextFrame(page)
    const all = await page.locator('.finds').innerText()
    await page.locator('.json-row.current mark').waitFor()
    await page.locator('#json-search').press('Enter')
    await page.locator('#json-search').press('Shift+Enter')
    assert.match(all, /^1 of \d+/)
    await page.locator('.tree').evaluate((tree) => tree.scrollTo(0, 0))
    await page.getByRole('button', { name: 'Fold', exact: true }).first().click()
    await page
      .getByText(/\d members/)
      .first()
      .waitFor()
    await close()
    await proxy.stop()
  },

  async 'the plots show throughput and latency, and a selected time filters the list'() {
    const frames = []
    for (let id = 0; id < 300; id++) {
      const at = Date.parse('2026-01-31T12:00:00Z') + id * 100
      frames.push(['client', call(id, 'a'), 's', new Date(at).toISOString()])
      frames.push([
        'server',
        { jsonrpc: '2.0', id, result: {} },
        's',
        new Date(at + (id % 40)).toISOString()
      ])
    }
    const proxy = await start(['inspect', recordingOf('plots', frames)])
    const { page, close } = await open(proxy.url)
    await rows(page).first().waitFor()
    await page.locator('#rate-now').getByText('messages/s').waitFor()
    await page.locator('#took-now').getByText('median').waitFor()
    // Something is drawn: pixels of two canvases that are not empty.
    await page.waitForFunction(() =>
      [...document.querySelectorAll('canvas')].every((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
        return data.filter((value, index) => index % 4 === 3 && value > 0).length > 500
      })
    )
    const box = await page.locator('.u-over').first().boundingBox()
    await page.mouse.move(box.x + box.width * 0.25, box.y + 20)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width * 0.5, box.y + 20, { steps: 4 })
    await page.mouse.up()
    await page.locator('.chip').waitFor()
    const [, few] = /^(\d+) of 601/.exec(await page.locator('.shown').innerText()) ?? []
    assert.ok(Number(few) > 100 && Number(few) < 200, few)
    await page.locator('.chip').click()
    await page.locator('.shown').getByText(/^601$/).waitFor()
    await close()
    await proxy.stop()
  },

  async 'what is shown is saved as a recording, which can be shown again'() {
    const source = pathOf('fixtures/sessions/everything-http.ndjson')
    const proxy = await start(['inspect', source])
    const { page, close } = await open(proxy.url)
    await rows(page).first().waitFor()
    await page.fill('#filter', 'method:tools/call')
    await page.locator('.shown').getByText('of 60').waitFor()
    const save = async () => {
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: 'Save' }).click()
      ])
      const file = path.join(directory, download.suggestedFilename())
      await download.saveAs(file)
      return file
    }
    const part = parseRecording(readFileSync(await save(), 'utf8'))
    assert.ok(part.length > 10)
    await page.fill('#filter', '')
    await page.locator('.shown').getByText(/^60$/).waitFor()
    const saved = await save()
    assert.deepEqual(
      parseRecording(readFileSync(saved, 'utf8')).map(({ frame, from, time }) => ({
        frame,
        from,
        time
      })),
      parseRecording(readFileSync(source, 'utf8')).map(({ frame, from, time }) => ({
        frame,
        from,
        time
      }))
    )
    await close()
    await proxy.stop()
    const again = await start(['inspect', saved])
    const second = await open(again.url)
    await second.page.locator('.shown').getByText(/^60$/).waitFor()
    await second.close()
    await again.stop()
  },

  async 'a call is copied as a curl line that a shell understands as it is'() {
    const nasty = `it's "$(touch pwned)" \`id\` \\ ! \u202e \u009b31m\n%s *`
    const proxy = await start([
      'inspect',
      recordingOf('curl', [['client', call(1, nasty, { nasty })]])
    ])
    const { page, close } = await open(proxy.url)
    await rows(page).nth(1).click()
    await page.getByRole('button', { name: 'Copy as curl' }).click()
    await page.getByText('curl line copied; set MCP_URL and MCP_SESSION').waitFor()
    const line = await page.evaluate(() => navigator.clipboard.readText())
    assert.match(line, /^[\x20-\x7e]*$/, 'one line of ASCII')
    const words = parseWords(line, { MCP_URL: 'http://u', MCP_SESSION: 'id' })
    assert.equal(words[1], 'http://u')
    assert.ok(words.includes('Mcp-Session-Id: id'))
    assert.deepEqual(JSON.parse(words.at(-1)), call(1, nasty, { nasty }))
    await close()
    await proxy.stop()
  },

  async 'hostile messages never run, and never stop the page'() {
    const html = `<img src=x onerror="alert(1)"><script>alert(2)</script></script><svg onload=alert(3)>`
    const deep = 100_000
    const frames = [
      ['client', { jsonrpc: '2.0', id: html, method: html, params: { [html]: html } }, html],
      ['client', call(html, html, { html })],
      ['server', { jsonrpc: '2.0', id: html, result: { isError: true, content: html } }],
      [
        'server',
        { jsonrpc: '2.0', method: 'notifications/message', params: { data: 'a'.repeat(1_000_000) } }
      ],
      [
        'server',
        `{"jsonrpc":"2.0","method":"deep","params":{"deep":${'['.repeat(deep)}${']'.repeat(deep)}}}`
      ],
      ['client', call(3, '\u202egnp.exe\u2066\u0000\u001b[2J\ud83d')],
      [
        'server',
        {
          jsonrpc: '2.0',
          method: 'many',
          params: { list: Array.from({ length: 50_000 }, (_, i) => i) }
        }
      ],
      [
        'client',
        { jsonrpc: '2.0', id: 9, method: 'constructor', params: { __proto__: 1, name: 'x' } }
      ],
      [
        'server',
        `{"jsonrpc":"2.0","method":"big","params":{"text":"${'b'.repeat(3 * 1024 * 1024)}"}}`
      ]
    ]
    const proxy = await start(['inspect', recordingOf('hostile', frames)])
    const { page, close } = await open(proxy.url)
    await rows(page).nth(8).waitFor()
    const title = await page.title()
    assert.match(title, /hostile\.ndjson/)
    const count = await rows(page).count()
    for (let index = 0; index < count; index++) {
      const started = performance.now()
      await rows(page).nth(index).click()
      await nextFrame(page)
      const took = performance.now() - started
      assert.ok(took < 1500, `row ${index} took ${took} ms`)
    }
    for (const word of ['onerror', 'aaaa', '[[[[', '49999', 'bbbb']) {
      await page.fill('#filter', word)
      await page.waitForTimeout(100)
      assert.ok((await rows(page).count()) > 0, word)
      await rows(page).last().click()
      await nextFrame(page) // the search box is another one from then on
      await page.fill('#json-search', word)
      await page.locator('.json-row.current, .finds').first().waitFor()
    }
    await page.fill('#filter', '')
    await rows(page).nth(10).waitFor()
    const shown = await page.locator('#list').innerText()
    assert.doesNotMatch(shown, /[\u202a-\u202e\u2066-\u2069\0\x1b]/, 'no hidden characters')
    assert.match(shown, /\\u202egnp\.exe/)
    assert.equal(await page.locator('img, svg, #root script').count(), 0)
    assert.match(shown, /cut/)
    await close()
    await proxy.stop()
  },

  async 'a hundred thousand messages stay smooth'() {
    const frames = []
    for (let id = 0; id < 49_990; id++) {
      const at = Date.parse('2026-01-31T12:00:00Z') + id
      frames.push([
        'client',
        call(id, `tool-${id % 20}`, { text: 'x'.repeat(100) }),
        `s${id % 5}`,
        new Date(at).toISOString()
      ])
      const result =
        id % 100 === 0 ? { error: { code: -32000, message: 'no' } } : { result: { content: [] } }
      frames.push([
        'server',
        { jsonrpc: '2.0', id, ...result },
        `s${id % 5}`,
        new Date(at + (id % 30)).toISOString()
      ])
    }
    const proxy = await start(['inspect', recordingOf('many', frames)])
    const { page, close } = await open(proxy.url)
    const started = performance.now()
    await page.locator('.shown').getByText('99,985').waitFor({ timeout: 60_000 })
    console.log(`  loaded in ${Math.round(performance.now() - started)} ms`)
    await page.waitForTimeout(1000)
    const frameTimes = await page.evaluate(async () => {
      const list = document.getElementById('list')
      const times = []
      let last = performance.now()
      for (let frame = 0; frame < 240; frame++) {
        list.scrollTop = (list.scrollHeight * ((frame * 37) % 240)) / 240
        await new Promise(requestAnimationFrame)
        const now = performance.now()
        times.push(now - last)
        last = now
      }
      return times.sort((one, other) => one - other)
    })
    const at = (part) => frameTimes[Math.floor(frameTimes.length * part)].toFixed(1)
    const elements = await page.evaluate(() => document.querySelectorAll('*').length)
    console.log(
      `  frames while scrolling: median ${at(0.5)} ms, p95 ${at(0.95)} ms, worst ${at(0.999)} ms; ${elements} elements`
    )
    assert.ok(Number(at(0.5)) < 34, 'half of the frames come in time')
    assert.ok(elements < 2000)
    const filtering = performance.now()
    await page.fill('#filter', 'tool:tool-7 is:error')
    await page.waitForFunction(() =>
      /^\d+ of 99,985$/.test(document.querySelector('.shown').textContent)
    )
    console.log(`  filtered in ${Math.round(performance.now() - filtering)} ms`)
    await close()
    await proxy.stop()
  },

  async 'a page in the dark, and one without motion'() {
    const proxy = await start(['inspect', pathOf('fixtures/sessions/memory.ndjson')])
    const { page, close } = await open(proxy.url, { colorScheme: 'dark' })
    await rows(page).first().waitFor()
    const color = (selector) =>
      page
        .locator(selector)
        .first()
        .evaluate((element) => getComputedStyle(element).backgroundColor)
    assert.equal(await color('body'), 'rgb(16, 19, 25)')
    await page.emulateMedia({ colorScheme: 'light' })
    assert.equal(await color('body'), 'rgb(246, 247, 249)')
    await close()
    await proxy.stop()
  }
}

const wanted = process.argv[2] ?? ''
let failed = 0
for (const [name, test] of Object.entries(tests)) {
  if (!name.includes(wanted)) continue
  try {
    await test()
    console.log(`ok: ${name}`)
  } catch (error) {
    failed++
    console.log(`FAILED: ${name}\n${error.stack}`)
  }
}
await browser.close()
for (const child of children) child.kill('SIGKILL')
rmSync(directory, { recursive: true, force: true })
process.exit(failed === 0 ? 0 : 1)
