// Holds the values of all flags of a command line, and its words that are no flags.

import minimist from 'minimist'
import { flagNames, flags } from '../flags.ts'
import type { FlagName, FlagValues } from '../flags.ts'
import type { Flag, Flags, Members, Pair } from '../flags/flag.ts'
import { usage } from './usage.ts'
import type { Words } from './words.ts'

export class Options {
  /** The first word that belongs to no flag; '' if there is none. */
  readonly command: string
  readonly args: string[]
  /** The value of each flag in the table. A flag that is not given has its default. */
  readonly values: FlagValues
  readonly #texts: Record<string, unknown>
  readonly #pairs: Words['pairs']

  /** @throws ProxyError `ERR_USAGE` for a value that the flag does not accept */
  constructor({ plain, given, pairs }: Words) {
    const words = given.flatMap(({ key, values }) => values.map((value) => `--${key}=${value}`))
    const string = ['_', ...given.map(({ key }) => key)]
    const texts = minimist([...words, '--', ...plain], { string })
    const [command = '', ...args] = texts._
    this.command = command
    this.args = args
    this.#texts = texts
    this.#pairs = pairs
    this.values = collect((name) => readFlag(name, (key) => this.#all(key), pairs.get(name) ?? []))
  }

  /**
   * Returns the forms of the flag in the command line, such as `--port` and `--sse-port`. A switch
   * that is off counts as not given.
   */
  given(name: FlagName): string[] {
    if (this.#pairs.has(name)) return [`--${name}`]
    const { shape } = flags[name]
    return keysOf(name).flatMap((key) => {
      const text = this.#all(key).at(-1)
      if (text === undefined || (shape === 'switch' && text === 'false')) return []
      return shape === 'verify' && text === 'false' ? [`--no-${key}`] : [`--${key}`]
    })
  }

  /** Returns the values of all flags. The `ignored` flags have their defaults. */
  without(ignored: ReadonlySet<FlagName>): FlagValues {
    return collect((name) => (ignored.has(name) ? readFlag(name, none, []) : this.values[name]))
  }

  #all(key: string): string[] {
    return [this.#texts[key] ?? []].flat() as string[]
  }
}

const none = (): string[] => []

/** @param all returns all texts that the command line gives for a name or an alias */
function readFlag(name: FlagName, all: (key: string) => string[], pairs: Pair[]): unknown {
  const flag = flags[name]
  switch (flag.shape) {
    case 'act':
    case 'switch':
      return all(name).at(-1) === 'true'
    case 'pair':
      for (const pair of pairs) checkPair(`--${name}`, pair, flag)
      return pairs
    case 'list':
    case 'origins': {
      const texts = all(name).flatMap((text) => splitList(text, flag))
      const values = texts.map((text) => flag.kind.read(`--${name}`, text))
      return values.length === 0 && 'default' in flag ? flag.default : values
    }
    default: {
      // The last text of the name and of the alias counts. All must be valid. The name wins.
      const values = keysOf(name).flatMap((key) =>
        all(key)
          .map((text) => flag.kind.read(`--${key}`, text))
          .slice(-1)
      )
      return values.length === 0 ? flag.default : values[0]
    }
  }
}

/** Splits a text with several values, such as `--expose-header 'X, Y'`. */
function splitList(text: string, flag: Flag & { shape: 'list' | 'origins' }): string[] {
  if (!('separator' in flag) || !text.includes(flag.separator)) return [text]
  const values = text.split(flag.separator).map((value) => value.trim())
  return values.filter((value) => value !== '')
}

/**
 * Returns the members of the configuration that these flags set. A flag without a value sets none.
 */
export function membersOf<Table extends Flags>(
  table: Table,
  values: Pick<FlagValues, keyof Table & FlagName>
): Members<Table> {
  const members = Object.entries(table).flatMap(([name, { sets }]) => {
    const value = (values as Record<string, unknown>)[name]
    return sets === undefined || value === undefined ? [] : [[sets, value]]
  })
  return Object.fromEntries(members) as Members<Table>
}

function collect(valueOf: (name: FlagName) => unknown): FlagValues {
  return Object.fromEntries(flagNames.map((name) => [name, valueOf(name)])) as FlagValues
}

/** Returns the name of a flag and, if the flag has one, its alias. */
function keysOf(name: FlagName): string[] {
  const flag = flags[name]
  return 'alias' in flag ? [name, flag.alias] : [name]
}

function checkPair(
  given: string,
  [name, value]: Pair,
  { example, isName, isValue }: Flag & { shape: 'pair' }
): void {
  // The user may have written one word: "Authorization: Bearer TOKEN" or KEY=VALUE. The message
  // does not repeat the word, because it may hold a secret.
  if (isName?.(name) === false) throw usage(`${given} needs two words: ${example}`)
  if (isValue?.(value) === false) {
    throw usage(`${given} ${name}: the value has a character that is not allowed`)
  }
}
