import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import {
  browserCommand,
  canOpenBrowser,
  openBrowser,
  showUrl
} from '../../../../lib/http-client/auth/sign-in/open-browser.ts'

test('each platform has its command', (t) => {
  t.strictSame(browserCommand('darwin', {}), ['open'])
  t.strictSame(browserCommand('win32', {}), ['rundll32', 'url.dll,FileProtocolHandler'])
  t.strictSame(browserCommand('linux', { DISPLAY: ':0' }), ['xdg-open'])
  t.strictSame(browserCommand('linux', { WAYLAND_DISPLAY: 'w' }), ['xdg-open'])
  t.strictSame(browserCommand('linux', { BROWSER: '' }), [], 'no browser without a display')
  t.strictSame(browserCommand('darwin', { BROWSER: 'lynx' }), ['lynx'])
  t.end()
})

test('the browser gets the URL as one word, and no shell reads it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'browser-'))
  const script = join(folder, 'browser')
  const output = join(folder, 'opened')
  writeFileSync(
    script,
    `#!/bin/sh\nprintf '%s\\n' "$#" "$1" > ${output}.new\nmv ${output}.new ${output}\n`,
    { mode: 0o700 }
  )
  const url = new URL('http://example.com/?a=$(touch%20x)&b=`id`;echo')
  openBrowser(new URL('file:///etc/passwd'), 'linux', { BROWSER: script })
  openBrowser(url, 'linux', {})
  openBrowser(url, 'linux', { BROWSER: join(folder, 'missing') })
  openBrowser(url, 'linux', { BROWSER: script })
  let text = ''
  for (let i = 0; i < 200 && text === ''; i++) {
    await sleep(20)
    try {
      text = readFileSync(output, 'utf8')
    } catch {
      continue
    }
  }
  t.equal(text, `1\n${url.href}\n`)
})

test('the URL is printed, and opened only if the user wants it', (t) => {
  const written = t.capture(process.stderr, 'write', () => true)
  const before = process.env.BROWSER
  process.env.BROWSER = '/missing/browser'
  t.teardown(() => {
    if (before === undefined) delete process.env.BROWSER
    else process.env.BROWSER = before
  })
  showUrl(new URL('http://example.com/a'), undefined, false)
  t.ok(canOpenBrowser())
  showUrl(new URL('http://example.com/b'), 'ABC', true)
  t.strictSame(
    written().map(({ args }) => args[0]),
    ['a', 'b and enter the code ABC'].map(
      (rest) => `mcp-proxy: to sign in, open http://example.com/${rest}\n`
    )
  )
  t.end()
})
