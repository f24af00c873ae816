// Reads a name and a value that came as one word, as for curl: -H 'Name: value'.

import type { Flag, Pair } from '../flags/flag.ts'

/**
 * Returns the name and the value in a word, or undefined if the word is only a name. Only flags
 * with a `separator` have both in one word: the separator must not be part of any name.
 */
export function joinedPair(
  word: string,
  { separator }: Flag & { shape: 'pair' }
): Pair | undefined {
  const at = separator === undefined ? -1 : word.indexOf(separator)
  const value = word.slice(at + 1).trim()
  // After 'Name:' the user may have meant the next word, or no value. So this is an error.
  return at > 0 && value !== '' ? [word.slice(0, at), value] : undefined
}
