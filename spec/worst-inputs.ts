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

const milliseconds = (action: () => void): number => {
  const before = process.cpuUsage()
  action()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** A work of V8's native code, whose time shows how fast the machine is now. Coverage does not change it. */
function referenceWork(): void {
  const text = 'ab'.repeat(size / 2)
  for (let run = 0; run < 5; run++) text.replace(/[c-z]b/g, '')
}

/** What the reference takes on a usual machine, in ms. This is an estimate. */
const usualReference = 4
const reference = Math.min(...Array.from({ length: 5 }, () => milliseconds(referenceWork)))
/** How many times longer than there a work takes on this machine now. */
export const slowness = Math.max(1, reference / usualReference)

/**
 * The longest time, in ms of CPU time. The goal is 100 ms, but the code takes up to twice as long while
 * its coverage is measured, and longer on a busy machine. A slow machine gets more.
 */
export const limit = 250 * slowness

/** Other processes and the compiler make a run longer, so only the shortest of up to four counts. */
export function shortest(prepare: () => () => void): number {
  let least = Infinity
  for (let run = 0; run < 4 && least >= limit; run++)
    least = Math.min(least, milliseconds(prepare()))
  return least
}
