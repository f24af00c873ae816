// Finds the words login, logout, tokens and inspect. They are subcommands only in front of a URL, in front
// of a file, or alone. Everywhere else they are the command of a server.

import { isFile, parseHttpUrl } from '../../config/checks.ts'

export type Subcommand = 'login' | 'logout' | 'tokens' | 'inspect'

/** @param plain the words that are no flags */
export function subcommandOf(
  plain: readonly string[],
  argv: readonly string[]
): Subcommand | undefined {
  if (argv.length === 1 && argv[0] === 'tokens') return 'tokens'
  if (argv.length === 2 && argv[0] === 'inspect' && isFile(argv[1] as string)) return 'inspect'
  const [word, target = ''] = plain
  if (argv.includes('--') || (word !== 'login' && word !== 'logout')) return undefined
  return parseHttpUrl(target) === undefined ? undefined : word
}
