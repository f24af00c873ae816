// What the command tells the person on stderr.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { tell } from '../lib/tell.ts'

t.test('a message is a line of the command', async (t) => {
  const before = process.stderr.listenerCount('error')
  const written = t.capture(process.stderr, 'write', () => true)
  tell('one')
  tell('two')
  t.strictSame(
    written().map(({ args }) => args[0]),
    ['mcp-proxy: one\n', 'mcp-proxy: two\n']
  )
  t.equal(process.stderr.listenerCount('error'), before + 1)
})

t.test('if nobody can read stderr, the process goes on', async (t) => {
  const source = `
    const { tell } = await import(${JSON.stringify(new URL('../lib/tell.ts', import.meta.url))})
    process.stdin.once('end', () => {
      for (let i = 0; i < 3; i++) tell('x')
      setTimeout(() => console.log('still here'), 50)
    }).resume()
    console.log('ready')`
  const args = [...process.execArgv, '--input-type=module', '--eval', source]
  const env = { ...process.env, TAP_TYPE_STRIP_ONLY: '1' }
  const child = spawn(process.execPath, args, { stdio: 'pipe', env })
  child.stdout.once('data', () => {
    child.stderr.destroy() // not earlier: Node itself may write a warning at the start
    child.stdin.end()
  })
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')])
  t.equal(output, 'ready\nstill here\n')
})
