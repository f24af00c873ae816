// What the command tells the person on stderr.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { tell } from '../lib/tell.ts'

t.test('a message is a line of the command', async (t) => {
  const written = t.capture(process.stderr, 'write', () => true)
  tell('one')
  tell('two')
  t.strictSame(
    written().map(({ args }) => args[0]),
    ['mcp-proxy: one\n', 'mcp-proxy: two\n']
  )
  t.equal(process.stderr.listenerCount('error'), 1)
})

t.test('if nobody can read stderr, the process goes on', async (t) => {
  const source = `
    const { tell } = await import(${JSON.stringify(new URL('../lib/tell.ts', import.meta.url))})
    process.stdin.once('end', () => {
      for (let i = 0; i < 3; i++) tell('x')
      setTimeout(() => console.log('still here'), 50)
    }).resume()`
  const args = [...process.execArgv, '--input-type=module', '--eval', source]
  const child = spawn(process.execPath, args, { stdio: 'pipe' })
  child.stderr.destroy()
  child.stdin.end()
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')])
  t.equal(output, 'still here\n')
})
