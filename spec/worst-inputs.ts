// Makes the worst inputs of 1 MB, and measures the time that they take. No input may block the process
// for 100 ms.

export const size = 1_000_000

/** Repeats a text up to 1 MB. `#` in the text is a new number each time. */
export function many(text: string, separator = ''): string {
  const parts: string[] = []
  for (let length = 0; length < size; length += text.length + separator.length + 4) {
    parts.push(text.replaceAll('#', String(parts.length)))
  }
  return parts.join(separator)
}

/**
 * The longest time, in ms of CPU time. The goal is 100 ms, but the code takes up to twice as long while
 * its coverage is measured, and longer on a busy machine.
 */
export const limit = 250

const milliseconds = (action: () => void): number => {
  const before = process.cpuUsage()
  action()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** Other processes and the compiler make a run longer, so only the shortest of up to four counts. */
export function shortest(prepare: () => () => void): number {
  let least = Infinity
  for (let run = 0; run < 4 && least >= limit; run++)
    least = Math.min(least, milliseconds(prepare()))
  return least
}
