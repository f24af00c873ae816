// The process of the command: runs it, and sees to it that the process ends, completely.

import { exit } from './exit.ts'
import { main } from './main.ts'

/** Runs the command with the arguments of this process, then exits. */
export async function runCommand(): Promise<void> {
  await exit(await main(process.argv.slice(2)))
}
