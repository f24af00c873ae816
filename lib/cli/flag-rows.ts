// Turns the table of flags into rows of text. --help and the README show these rows.

import type { Flag, Flags } from './flags/flag.ts'

export interface FlagRow {
  /** Every way to write the flag: `-e, --env KEY VALUE`. */
  heading: string
  /** One paragraph of Markdown that explains the flag. */
  text: string
  /** The default value as text; '' if there is none. */
  byDefault: string
}

/** Returns one row for each flag, and one more for each old name of a flag. */
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
