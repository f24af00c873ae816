// The message for a flag that does not exist.

import t from 'tap'
import { mistake } from '../parse.ts'

t.test('the error for an unknown flag says what to do', async (t) => {
  await mistake(t, ['--prot', '80', 'x'], 'unknown flag --prot: did you mean --port?')
  await mistake(t, ['--sharing', 'x'], 'unknown flag --sharing: see mcp-proxy --help')
  await mistake(t, ['--secret=hidden', 'x'], 'unknown flag --secret: see mcp-proxy --help')
  await mistake(t, ['-v'], 'unknown flag -v: see mcp-proxy --help')
  await mistake(t, ['--n'], 'unknown flag --n: see mcp-proxy --help')
  await mistake(t, ['-v', 'x'], /^unknown flag -v: /)
  await mistake(t, ['--constructor', 'x'], /^unknown flag --constructor: /)
  await mistake(t, ['--no-port', 'x'], /^unknown flag --no-port: /)
  await mistake(t, ['--=hidden', 'x'], /^unknown flag --: /)
  const afterCommand = /^unknown flag -y: put -- before the command if it belongs to the command, /
  await mistake(t, ['npx', '-y', 'server'], afterCommand)
  await mistake(t, ['npx', '--port', '80', '-y=hidden'], afterCommand)
  await mistake(t, ['--wrong hidden', 'x'], 'unknown flag --wrong: see mcp-proxy --help')
  const oneWord = '--port and its value came as one word: check the quotes around them'
  await mistake(t, ['--port 8080', 'x'], oneWord)
})

t.test('a flag of 100,000 characters does not block the process', async (t) => {
  const before = process.cpuUsage()
  await mistake(t, [`--${'allow-orig'.repeat(10_000)}`, 'x'], /^unknown flag --allow-orig/)
  const { user, system } = process.cpuUsage(before)
  t.ok(user + system < 250_000, `${user + system} µs`)
})
