// The table of all flags. Only this file and flags/ describe flags. The parser, --help, the tables
// of the README and the warnings about flags without effect all use this table.

import { clientFlags, tlsFlags } from './flags/client.ts'
import { eraFlags } from './flags/eras.ts'
import { filterFlags } from './flags/filters.ts'
import type { Flag, FlagGroup, Values } from './flags/flag.ts'
import { generalFlags } from './flags/general.ts'
import { httpFlags } from './flags/http.ts'
import { limitFlags, serverLimitFlags } from './flags/limits.ts'
import { loggingFlags } from './flags/logging.ts'
import { serverFlags } from './flags/servers.ts'

/** The groups of flags, in the order in which --help shows them. */
export const groups: readonly FlagGroup[] = [
  { title: 'General', flags: generalFlags },
  { title: 'Client mode', flags: clientFlags },
  { title: 'TLS to servers at URLs and to issuers', flags: tlsFlags },
  { title: 'Server mode, the servers to start', flags: serverFlags },
  { title: 'Server mode, HTTP', flags: httpFlags },
  { title: 'Revisions of MCP, both modes', flags: eraFlags },
  { title: 'What clients may use, both modes', flags: filterFlags },
  { title: 'Limits of both modes', flags: limitFlags },
  { title: 'Limits of server mode', flags: serverLimitFlags },
  { title: 'Logging', flags: loggingFlags }
]

const table = {
  ...generalFlags,
  ...clientFlags,
  ...tlsFlags,
  ...serverFlags,
  ...httpFlags,
  ...eraFlags,
  ...filterFlags,
  ...limitFlags,
  ...serverLimitFlags,
  ...loggingFlags
}

export type FlagName = keyof typeof table
export type FlagValues = Values<typeof table>

export const flags: Record<FlagName, Flag> = table
export const flagNames = Object.keys(table) as FlagName[]

/** One way to write a flag: its name, its old name (alias), or `no-` and its name. */
export interface Spelling {
  name: FlagName
  /** The name under which the parser stores the value: the flag's name or its alias. */
  key: string
  /** True for a negated flag, such as `--no-debug`. */
  negated: boolean
}

/** Finds a flag by its name, its alias, or `no-` and its name. `text` has no leading dashes. */
export function findFlag(text: string): Spelling | undefined {
  if (Object.hasOwn(flags, text)) return spell(text as FlagName)
  return spellings().get(text)
}

/** Finds a flag by its short form, such as `-e`. */
export function findShortFlag(given: string): FlagName | undefined {
  return flagNames.find((name) => flags[name].short === given)
}

let all: Map<string, Spelling> | undefined

/** Maps each way to write a flag to the flag. The map is built at the first call only. */
export function spellings(): ReadonlyMap<string, Spelling> {
  all ??= new Map(
    flagNames.flatMap((name) => {
      const flag = flags[name]
      const ways: [string, Spelling][] = [[name, spell(name)]]
      if ('negatable' in flag) ways.push([`no-${name}`, { ...spell(name), negated: true }])
      if ('alias' in flag) ways.push([flag.alias, { ...spell(name), key: flag.alias }])
      return ways
    })
  )
  return all
}

const spell = (name: FlagName): Spelling => ({ name, key: name, negated: false })
