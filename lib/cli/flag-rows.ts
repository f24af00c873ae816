// The table of flags as rows of text, for --help and for the README.

import type { Flag, Flags } from './flags/flag.ts'

export interface FlagRow {
  /** Every way to write the flag: `-e, --env KEY VALUE`. */
  heading: string
  /** Markdown of one paragraph. */
  text: string
  /** The default; '' if there is none. */
  byDefault: string
}

/** A flag has one row, and one more for its old name. */
export function flagRows(flags: Flags): FlagRow[] {
  return Object.entries(flags).flatMap(([name, flag]) => {
    const row = { heading: headingOf(name, flag), text: flag.help, byDefault: printDefault(flag) }
    if (!('alias' in flag)) return [row]
    const heading = `--${flag.alias} ${flag.kind.placeholder}`
    return [row, { heading, text: `deprecated: write \`--${name}\``, byDefault: '' }]
  })
}

function headingOf(name: string, flag: Flag): string {
  return [
    ...(flag.short ? [flag.short] : []),
    `--${name}${placeholderOf(flag)}`,
    ...('negatable' in flag ? [`--no-${name}`] : [])
  ].join(', ')
}

function placeholderOf(flag: Flag): string {
  if ('kind' in flag) return ` ${flag.kind.placeholder}`
  return 'placeholder' in flag ? ` ${flag.placeholder}` : ''
}

function printDefault(flag: Flag): string {
  if (flag.defaultText !== undefined) return flag.defaultText
  if (flag.shape === 'switch') return 'off'
  if (!('default' in flag)) return ''
  const { print = String } = flag.kind
  return print(flag.default as never)
}
