// Runs the command in this process, and makes sure that the process ends. The process exits when
// the work is done, even if a socket, a timer or a pipe without a reader is still open. At the exit
// it kills all servers that still run.

import type { Writable } from 'node:stream'
import { describe } from '../errors.ts'
import { killGroups } from '../stdio/running-groups.ts'
import { LogWriter } from './log-writer.ts'
import { main } from './main.ts'
import type { Mode } from './main.ts'

/** How long the process waits at its end for readers of stdout and stderr, in ms. */
const flushTimeout = 300

/**
 * Runs the command with the arguments of this process, then exits.
 *
 * @param onMode is called when a mode starts to serve
 */
export async function runCommand(onMode: (mode: Mode) => void): Promise<void> {
  process.on('exit', killGroups)
  // Without this listener, Node opens the inspector, and any local program can then run code in
  // this process.
  process.on('SIGUSR1', () => {})
  // Node turns an unhandled rejection into an uncaught exception, so this handles both.
  process.on('uncaughtException', (error) => {
    new LogWriter().write(`mcp-proxy: internal error: ${describe(error)}`)
    void exit(1)
  })
  await exit(await main(process.argv.slice(2), onMode))
}

/** Exits when stdout and stderr have taken what was written to them, or after 300 ms. */
export async function exit(code: number): Promise<void> {
  process.exitCode = code
  const timer = setTimeout(() => process.exit(), flushTimeout)
  await Promise.all([process.stdout, process.stderr].map(flushed))
  clearTimeout(timer)
  process.exit()
}

/** Resolves when the stream has written all its data, or has failed. */
function flushed(output: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (!output.writable || output.writableLength === 0) resolve()
    else output.on('error', () => {}).write('', () => resolve())
  })
}
