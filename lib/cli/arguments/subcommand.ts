// Finds the words login, logout and tokens. They are subcommands only in front of a URL, or alone.
// Everywhere else they are the command of a server.

import { parseHttpUrl } from '../../config/checks.ts'

export type Subcommand = 'login' | 'logout' | 'tokens'

/** @param plain the words that are no flags */
export function subcommandOf(
  plain: readonly string[],
  argv: readonly string[]
): Subcommand | undefined {
  if (argv.length === 1 && argv[0] === 'tokens') return 'tokens'
  const [word, target = ''] = plain
  if (argv.includes('--') || (word !== 'login' && word !== 'logout')) return undefined
  return parseHttpUrl(target) === undefined ? undefined : word
}
