// The traffic page: --inspect in both modes, and `inspect FILE`.

import t from 'tap'
import type { Test } from 'tap'
import { httpClient } from '../../../fixtures/clients/raw.js'
import { startHttpServer } from '../../../fixtures/servers/http.js'
import { fixture } from '../../helpers.ts'
import { run, served, stop } from '../process.ts'
import type { Run } from '../process.ts'

const demo = `${process.execPath} ${fixture('servers/demo.js')}`

/** Opens the page, and reads its events until one has a text. */
async function read(t: Test, { log }: Run, text: string): Promise<string> {
  const line = await log.until((line) => line.includes('inspect: http'))
  const url = /http:\S*/.exec(line ?? '')?.[0] as string
  const page = await fetch(url)
  t.equal(page.status, 200)
  t.match(await page.text(), '<title>')
  const cookie = page.headers.get('set-cookie')?.split(';')[0] as string
  const stop = new AbortController()
  const events = new URL('events', url)
  const { body } = await fetch(events, { headers: { cookie }, signal: stop.signal })
  let all = ''
  for await (const part of body as AsyncIterable<Uint8Array>) {
    all += Buffer.from(part).toString()
    if (all.includes(text)) break
  }
  stop.abort()
  return all
}

t.test('server mode shows its traffic, with the URLs of its servers', async (t) => {
  const command = run(t, `--inspect 0 ${demo}`)
  const url = await served(command)
  const client = httpClient(`${url}mcp`)
  await client.initialize()
  const text = await read(t, command, '"took"')
  t.match(text, `"urls":{"":"${url}mcp"},"needsToken":false`)
  t.match(text, '"type":"start"')
  t.match(text, '"method":"initialize"')
  await client.delete()
  client.close()
  stop()
  t.equal(await command.code, 0)
})

t.test(
  'client mode shows its traffic, without what is secret in the URL and the headers',
  async (t) => {
    const server = await startHttpServer()
    t.teardown(() => server.close())
    const command = run(t, ['--inspect', '0', '-H', 'X-Key', 'hidden', `${server.url}?key=hidden`])
    command.say({ id: 1, method: 'ping' })
    const text = await read(t, command, '"method":"ping"')
    t.match(text, `"urls":{"":"${server.url}"},"needsToken":`)
    t.notMatch(text, 'hidden')
    command.stdin.end()
    await command.code
  }
)

t.test('an error at start closes the page', async (t) => {
  const command = run(t, '--inspect 0 no-such-command')
  t.equal(await command.code, 1)
  const line = command.log.find((line) => line.includes('inspect: http'))
  await t.rejects(fetch(/http:\S*/.exec(line ?? '')?.[0] as string))
})

t.test('a recording is shown until a signal comes', async (t) => {
  const command = run(t, ['inspect', fixture('sessions/memory.ndjson')])
  t.match(await read(t, command, '"took"'), '"file":"')
  stop()
  t.equal(await command.code, 0)
  const wrong = run(t, ['inspect', fixture('sessions/README.md')])
  t.equal(await wrong.code, 2)
  t.match(wrong.log.at(-1), 'has no line of a recording')
})
