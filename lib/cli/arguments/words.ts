// Reads the words of a command line. minimist does not know how many values a flag takes. So this
// file looks up each flag in the table and takes the words that the flag needs: none, one, two, or
// all that look like values. It then passes each flag to minimist as one word: --name=value.
//
// As in the Python mcp-proxy, flags may follow the command, and the user may shorten its flags
// (`--po` for `--port`). Flags that only this proxy has cannot be shortened.

import { findFlag, findShortFlag, flags, spellings } from '../flags.ts'
import type { FlagName, Spelling } from '../flags.ts'
import type { Pair } from '../flags/flag.ts'
import { unknownFlag } from './unknown-flag.ts'
import { usage } from './usage.ts'
import { isOrigin, isTrust } from './values.ts'

export interface Words {
  /** The words for minimist. A negated flag, such as `--no-debug`, is `--debug=false`. */
  plain: string[]
  /** The names and aliases of the flags in `plain`. */
  keys: Set<string>
  /** The values of the flags that take two words, such as `--env KEY VALUE`. */
  pairs: Map<FlagName, Pair[]>
}

/**
 * @returns the words. At `--help` or `--version`, returns only that and does not read the rest
 * @throws ProxyError `ERR_USAGE` for an unknown flag, or a missing or unwanted value
 */
export function readWords(argv: readonly string[]): Words | { act: 'help' | 'version' } {
  const plain: string[] = []
  const keys = new Set<string>()
  const pairs: Words['pairs'] = new Map()
  const rest = [...argv]
  let commandSeen = false

  for (let word; (word = rest.shift()) !== undefined;) {
    if (word === '--') {
      plain.push(word, ...rest)
      break
    }
    if (!/^-./.test(word)) {
      commandSeen = true
      plain.push(word)
      continue
    }
    const [given, inline] = cut(word)
    const spelling = find(given)
    if (spelling === undefined) throw unknownFlag(given, commandSeen, find)
    const { name, key, negated } = spelling
    const flag = flags[name]
    const set = (value: string): void => {
      keys.add(key)
      plain.push(`--${key}=${value}`)
    }
    const next = (wanted: string): string => {
      const value = rest.shift()
      // A flag in the place of a value means that the user forgot the value.
      if (value !== undefined && value !== '--' && find(cut(value)[0]) === undefined) return value
      throw usage(`${given} needs ${wanted}`)
    }

    const isBare = flag.shape === 'act' || flag.shape === 'switch' || negated
    if (inline !== undefined && isBare) {
      throw usage(`${given} takes no value: write ${given}, or leave it out`)
    }
    switch (flag.shape) {
      case 'act':
        return { act: name as 'help' | 'version' }
      case 'switch':
        set(String(!negated))
        break
      case 'pair': {
        const wanted = `two words: ${flag.example}`
        pairs.set(name, [...(pairs.get(name) ?? []), [inline ?? next(wanted), next(wanted)]])
        break
      }
      case 'verify':
        if (negated) set('false')
        else if (inline === undefined && isTrust(rest[0])) set(rest.shift() as string)
        else set(inline ?? 'true')
        break
      case 'origins':
        set(inline ?? next(`an origin: ${given} https://example.com`))
        while (inline === undefined && isOrigin(rest[0])) set(rest.shift() as string)
        break
      default:
        set(inline ?? next(`a value: ${given} ${flag.kind.placeholder}`))
    }
  }
  return { plain, keys, pairs }
}

function cut(word: string): [given: string, inline: string | undefined] {
  const at = word.indexOf('=')
  return at === -1 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)]
}

/**
 * Finds a flag by its name, or by the beginning of its name. The beginning must fit only one flag
 * of the Python mcp-proxy.
 */
function find(given: string): Spelling | undefined {
  if (!given.startsWith('--')) {
    const name = findShortFlag(given)
    return name && findFlag(name)
  }
  const text = given.slice(2)
  const exact = findFlag(text)
  if (exact !== undefined) return exact
  const longer = [...spellings()].filter(
    ([known, { name }]) => flags[name].reference && known.startsWith(text)
  )
  return longer.length === 1 ? longer[0]?.[1] : undefined
}
