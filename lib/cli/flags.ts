// The table of flags. What a flag does is written here and in flags/, and nowhere else: parsing, --help,
// the tables of the README and the warnings about flags without effect are all made from it.

import { clientFlags, tlsFlags } from './flags/client.ts'
import type { Flag, FlagGroup, Values } from './flags/flag.ts'
import { generalFlags } from './flags/general.ts'
import { httpFlags } from './flags/http.ts'
import { limitFlags, serverLimitFlags } from './flags/limits.ts'
import { loggingFlags } from './flags/logging.ts'
import { serverFlags } from './flags/servers.ts'

/** In the order of help. */
export const groups: readonly FlagGroup[] = [
  { title: 'General', flags: generalFlags },
  { title: 'Client mode', flags: clientFlags },
  { title: 'TLS to servers at URLs', flags: tlsFlags },
  { title: 'Server mode, the servers to start', flags: serverFlags },
  { title: 'Server mode, HTTP', flags: httpFlags },
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
  ...limitFlags,
  ...serverLimitFlags,
  ...loggingFlags
}

export type FlagName = keyof typeof table
export type FlagValues = Values<typeof table>

export const flags: Record<FlagName, Flag> = table
export const flagNames = Object.keys(table) as FlagName[]

/** A way to write a flag. */
export interface Spelling {
  name: FlagName
  /** The name that its values are kept under: that of the flag, or its alias. */
  key: string
  negated: boolean
}

/** Finds a flag as it is written, without the dashes. */
export function findFlag(text: string): Spelling | undefined {
  if (Object.hasOwn(flags, text)) return spell(text as FlagName)
  return spellings().get(text)
}

/** Finds a short flag, with its dash. */
export function findShortFlag(given: string): FlagName | undefined {
  return flagNames.find((name) => flags[name].short === given)
}

let all: Map<string, Spelling> | undefined

/** Every way to write every flag. Made when needed: most starts need one flag or none. */
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
