// Reads what the traffic page writes, as other programs do.

import { spawnSync } from 'node:child_process'

export const parseRecording = (text) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

/** Returns the words that a POSIX shell makes of a line. */
export function parseWords(line, variables = {}) {
  const script = `printf '%s\\0' ${line}`
  const { stdout, status } = spawnSync('sh', ['-c', script], { env: variables, cwd: '/' })
  if (status !== 0) throw new Error(`the shell does not understand ${line}`)
  return stdout.toString().split('\0').slice(0, -1)
}
