// The command ends completely, and in time, whatever the programs around it do: readers of its output
// that leave or don't read, servers that don't exit, clients that have gone.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { httpClient } from '../../fixtures/clients/raw.js'
import { misbehaving } from './run.ts'

t.setTimeout(120_000)

const entry = fileURLToPath(new URL('../../bin/mcp-proxy.js', import.meta.url))

/** Starts server mode with pipes for stdout and stderr that the test reads, or does not. */
function start(t: Test, line: string): ChildProcess {
  const child = spawn(process.execPath, [entry, ...line.split(' ')])
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

/** Reads the log up to the URL of the server, then reads no more. */
async function urlIn({ stderr }: ChildProcess): Promise<string> {
  let text = ''
  for (;;) {
    const [chunk] = (await once(stderr as NonNullable<typeof stderr>, 'data')) as [Buffer]
    text += chunk.toString()
    const [url] = /http:\S*\/mcp/.exec(text) ?? []
    if (url !== undefined) return url
  }
}

/** Resolves to the exit code and the ms until the exit. */
async function timeToExit(child: ChildProcess): Promise<{ code: number | null; time: number }> {
  const began = performance.now()
  if (child.exitCode === null) await once(child, 'exit')
  return { code: child.exitCode, time: performance.now() - began }
}

t.test('the proxy goes on when the reader of its log leaves', async (t) => {
  const child = start(t, `--port 0 --debug ${misbehaving}`)
  const url = await urlIn(child)
  child.stderr?.destroy()
  for (let n = 0; n < 3; n++) {
    const client = httpClient(url)
    t.match(await client.initialize(), { result: {} })
    await client.delete()
    client.close()
  }
  child.kill()
  t.match(await timeToExit(child), { code: 0 })
})

t.test('with a full stderr pipe the proxy serves, and SIGTERM ends it', async (t) => {
  const child = start(t, `--port 0 --close-timeout 300ms -- ${misbehaving} --chatty-stderr 3000000`)
  const url = await urlIn(child)
  child.stderr?.pause()
  const client = httpClient(url)
  t.match(await client.initialize(), { result: {} })
  t.match(await client.request('ping'), { result: {} })
  client.close()
  await sleep(300)
  child.kill()
  const { code, time } = await timeToExit(child)
  t.equal(code, 0)
  t.ok(time < 1500, `${time} ms`)
})
