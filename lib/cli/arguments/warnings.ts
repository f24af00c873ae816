// Makes the warnings that the command logs at start. They name the flags that have no effect, the
// deprecated flags, and the values that are probably a mistake.

import { flagNames, flags } from '../flags.ts'
import type { FlagName, FlagValues } from '../flags.ts'
import type { Need } from '../flags/flag.ts'
import type { Options } from './options.ts'
import { isOrigin } from './values.ts'

/** What the command line asks for. A flag may need some of it to have an effect. */
export interface Situation {
  mode: 'client' | 'server'
  /** Whether the command line has a COMMAND, which starts the default server. */
  command: boolean
  /** Whether at least one server is a process that the proxy starts. */
  process: boolean
  /** Whether at least one server is at a URL. */
  remote: boolean
  /** Whether the named servers come from a config file. */
  file: boolean
}

/** Returns the flags that have no effect, and one warning for each reason. */
export function ignoredFlags(
  options: Options,
  situation: Situation
): { names: Set<FlagName>; warnings: string[] } {
  const names = new Set<FlagName>()
  const byReason = new Map<string, string[]>()
  for (const name of flagNames) {
    const reason = reasonToIgnore(flags[name].needs, situation)
    const given = options.given(name)
    if (reason === undefined || given.length === 0) continue
    names.add(name)
    byReason.set(reason, [...(byReason.get(reason) ?? []), ...given])
  }
  const warnings = [...byReason].map(([reason, given]) => `ignored ${reason}: ${given.join(', ')}`)
  return { names, warnings }
}

function reasonToIgnore(need: Need | undefined, situation: Situation): string | undefined {
  if (need === undefined) return undefined
  if (situation.mode === 'client') {
    return need === 'url' || need === 'remote' ? undefined : 'with a URL'
  }
  switch (need) {
    case 'url':
      return 'without a URL'
    case 'remote':
      return situation.remote ? undefined : 'without a server at a URL'
    case 'command':
      return situation.command ? undefined : 'without a command'
    case 'process':
      return situation.process ? undefined : 'without a server to start'
    case 'definitions':
      return situation.file ? 'with --named-server-config' : undefined
    case 'listener':
      return undefined
  }
}

/**
 * Returns the warnings about deprecated flags and probable mistakes, for server mode.
 *
 * @param values the values of all flags, with the defaults of the flags that have no effect
 */
export function adviceOn(options: Options, values: FlagValues): string[] {
  const names = values['named-server'].map(([name]) => name)
  return [
    ...flagNames.flatMap((name) =>
      options
        .given(name)
        .filter((given) => 'alias' in flags[name] && given !== `--${name}`)
        .map((given) => `${given} is deprecated: write --${name}`)
    ),
    ...names
      .filter((name, i) => names.indexOf(name) < i)
      .map((name) => `--named-server ${name} is given again: the last one counts`),
    ...values['allow-origin']
      .filter((origin) => !isOrigin(origin))
      .map((origin) => `--allow-origin ${origin}: browsers send it like https://example.com`)
  ]
}
