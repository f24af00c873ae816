// Reads the words of a command line. minimist does not know how many values a flag takes. So this
// file looks up each flag in the table and takes the words that the flag needs: none, one, two, or
// all up to the next flag. It then passes each flag to minimist as one word: --name=value.
//
// The rules are those of argparse, the parser of the Python mcp-proxy. Flags may follow the
// command, and the user may shorten the flags of the reference (`--po` for `--port`). Words that
// argparse gives to the command reach the command. README.md in the folder above lists the
// differences.

import { findFlag, findShortFlag, flags, spellings } from '../flags.ts'
import type { FlagName, Spelling } from '../flags.ts'
import type { Pair } from '../flags/flag.ts'
import { joinedPair } from './joined-pair.ts'
import { LooseValues } from './loose-values.ts'
import type { Given } from './loose-values.ts'
import { unknownFlag } from './unknown-flag.ts'
import { usage } from './usage.ts'
import { isTrust } from './values.ts'

export interface Words {
  /** The command and its arguments: all words that are neither flags nor values of flags. */
  plain: string[]
  given: Given[]
  /** The values of the flags that take two words, such as `--env KEY VALUE`. */
  pairs: Map<FlagName, Pair[]>
}

/**
 * @returns the words. At `--help` or `--version`, returns only that and does not read the rest
 * @throws ProxyError `ERR_USAGE` for an unknown flag, or a missing or unwanted value
 */
export function readWords(argv: readonly string[]): Words | { act: 'help' | 'version' } {
  const plain: string[] = []
  const given: Given[] = []
  const pairs: Words['pairs'] = new Map()
  const loose = new LooseValues()
  const rest = [...argv]

  for (let word; (word = rest.shift()) !== undefined;) {
    if (word === '--') {
      plain.push(...rest)
      break
    }
    // Before the command, such a word is probably a mistake: no command begins with a dash.
    if (!/^-./.test(word) || (plain.length > 0 && isPlain(word))) {
      plain.push(word)
      continue
    }
    const [written, inline] = cut(word)
    const spelling = find(written)
    if (spelling === undefined) throw unknownFlag(written, plain.length > 0, find)
    const { name, key, negated } = spelling
    const flag = flags[name]
    const set = (...values: string[]): Given => {
      const flagGiven = { key, values }
      given.push(flagGiven)
      return flagGiven
    }
    const next = (wanted: string): string => {
      const value = rest.shift()
      if (value !== undefined && value !== '--' && canBeValue(value)) return value
      throw usage(`${written} needs ${wanted}`)
    }
    const hasPlain = (): boolean => rest[0] !== undefined && rest[0] !== '--' && isPlain(rest[0])

    const isBare = flag.shape === 'act' || flag.shape === 'switch' || negated
    if (inline !== undefined && isBare) {
      throw usage(`${written} takes no value: write ${written}, or leave it out`)
    }
    switch (flag.shape) {
      case 'act':
        return { act: name as 'help' | 'version' }
      case 'switch':
        set(String(!negated))
        break
      case 'pair': {
        const wanted = `two words: ${flag.example}`
        const first = inline ?? next(wanted)
        const pair = joinedPair(first, flag) ?? [first, next(wanted)]
        pairs.set(name, [...(pairs.get(name) ?? []), pair])
        break
      }
      case 'verify':
        if (negated) set('false')
        else if (inline !== undefined || !hasPlain()) set(inline ?? 'true')
        else if (plain.length > 0 || isTrust(rest[0])) set(rest.shift() as string)
        else loose.addTrust(set('true'), rest.shift() as string)
        break
      case 'origins': {
        const origins = set(inline ?? next(`an origin: ${written} https://example.com`))
        while (inline === undefined && hasPlain()) origins.values.push(rest.shift() as string)
        if (plain.length === 0) loose.addOrigins(origins)
        break
      }
      default:
        set(inline ?? next(`a value: ${written} ${flag.kind.placeholder}`))
    }
  }
  const isNamed =
    pairs.has('named-server') || given.some(({ key }) => key === 'named-server-config')
  return { plain: [...loose.settle(plain[0], isNamed), ...plain], given, pairs }
}

function cut(word: string): [written: string, inline: string | undefined] {
  const at = word.indexOf('=')
  return at === -1 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)]
}

/**
 * Returns whether argparse takes the word for a value or a part of the command. A word that begins
 * with a dash is a flag, unless it is a negative number, or has a space and is no known flag.
 */
function isPlain(word: string): boolean {
  if (!/^-./.test(word)) return true
  if (find(cut(word)[0]) !== undefined || findShortFlag(word.slice(0, 2)) !== undefined)
    return false
  return /^-(?:\d+|\d*\.\d+)$/.test(word) || word.includes(' ')
}

/**
 * Returns whether a flag may have this value. A flag in the place of a value means that the user
 * forgot the value. Only argparse's flags count if the word has a space: `-e A '--key=a b'`.
 */
function canBeValue(word: string): boolean {
  const spelling = find(cut(word)[0])
  return spelling === undefined || (!flags[spelling.name].reference && word.includes(' '))
}

/**
 * Finds a flag by its name, or by the beginning of its name. The beginning must fit only one flag
 * of the Python mcp-proxy.
 */
function find(written: string): Spelling | undefined {
  if (!written.startsWith('--')) {
    const name = findShortFlag(written)
    return name && findFlag(name)
  }
  const text = written.slice(2)
  const exact = findFlag(text)
  if (exact !== undefined) return exact
  const longer = [...spellings()].filter(
    ([known, { name }]) => flags[name].reference && known.startsWith(text)
  )
  return longer.length === 1 ? longer[0]?.[1] : undefined
}
