// Makes the error for a flag that does not exist. The message suggests what the user may have
// meant. It repeats only the flag: text that directly follows the flag in the same word may be a
// secret.

import { findShortFlag, flags, spellings } from '../flags.ts'
import type { ProxyError } from '../../errors.ts'
import { usage } from './usage.ts'

/** How many changes may lead from a word to a flag that the message suggests. */
const maxSteps = 2

/**
 * @param given the unknown flag, with its dashes
 * @param afterCommand true if the flag follows the COMMAND
 * @param isFlag tells whether a word is an existing flag
 */
export function unknownFlag(
  given: string,
  afterCommand: boolean,
  isFlag: (word: string) => unknown
): ProxyError {
  const stuck = findShortFlag(given.slice(0, 2))
  if (stuck !== undefined && flags[stuck].shape === 'pair') {
    return usage(`${given.slice(0, 2)} needs two words: ${flags[stuck].example}`)
  }
  const [flag] = given.split(/\s/) as [string]
  if (flag !== given && isFlag(flag)) {
    return usage(`${flag} and its value came as one word: check the quotes around them`)
  }
  if (afterCommand) {
    return usage(
      `unknown flag ${flag}: put -- before the command if it belongs to the command, see mcp-proxy --help if not`
    )
  }
  const name = flag.replace(/^-+/, '')
  // Two changes turn any letter into a flag of two letters, such as `ca`. So a short name allows
  // fewer changes.
  const mostSteps = Math.min(maxSteps, name.length - 1)
  const close = [...spellings().keys()]
    .map((known) => ({ known, steps: distance(known, name) }))
    .filter(({ known, steps }) => steps <= mostSteps || (name.length > 2 && known.startsWith(name)))
    .sort((a, b) => a.steps - b.steps)[0]
  const advice = close ? `did you mean --${close.known}?` : 'see mcp-proxy --help'
  return usage(`unknown flag ${flag}: ${advice}`)
}

/**
 * Returns the Levenshtein distance: how many single-character changes turn `a` into `b`. Lengths that
 * differ much show at once that the words are not close.
 */
function distance(a: string, b: string): number {
  const difference = Math.abs(a.length - b.length)
  if (difference > maxSteps) return difference
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (const [i, char] of [...a].entries()) {
    const above = row
    row = [i + 1]
    for (const [j, other] of [...b].entries()) {
      const replaced = (above[j] as number) + (char === other ? 0 : 1)
      row.push(Math.min(replaced, (above[j + 1] as number) + 1, (row[j] as number) + 1))
    }
  }
  return row.at(-1) as number
}
