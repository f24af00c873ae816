// Matches names with a pattern in which `*` stands for any characters, also none, and `?` for one
// character. All other characters stand for themselves.
//
// The parts between the stars are searched from left to right, and the first place of each is the
// best one. So the time is at most the size of the name times the size of the pattern.

export class Glob {
  /** The parts between the stars. There is one more than stars. */
  readonly #parts: readonly string[][]

  constructor(pattern: string) {
    this.#parts = pattern.split(/\*+/).map((part) => [...part])
  }

  matches(name: string): boolean {
    const characters = [...name]
    const [first = [], ...others] = this.#parts
    const last = others.pop()
    if (last === undefined) {
      return characters.length === first.length && isAt(characters, 0, first)
    }
    const lastStart = characters.length - last.length
    if (!isAt(characters, 0, first) || !isAt(characters, lastStart, last)) return false
    let at = first.length
    for (const part of others) {
      while (at + part.length <= lastStart && !isAt(characters, at, part)) at++
      at += part.length
    }
    return at <= lastStart
  }
}

function isAt(characters: string[], start: number, part: string[]): boolean {
  if (start < 0 || start + part.length > characters.length) return false
  return part.every(
    (character, index) => character === '?' || character === characters[start + index]
  )
}
