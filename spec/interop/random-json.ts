// Makes random JSON texts that use all that JSON allows: numbers that a double cannot hold, duplicate
// keys, needless escapes, white space between tokens, any nesting. A seed always makes the same texts.

export type Random = () => number

/** Returns a function that makes random numbers from 0 to 1 (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const numbers = [
  '0',
  '-0',
  '1e400',
  '-1.0E+2',
  '0.1000',
  '123456789012345678901234567890',
  '9007199254740993',
  '1e-7'
]
const keys = [
  '"a"',
  '"a"',
  '"\\u0061"',
  '""',
  '"__proto__"',
  '"id"',
  '"i\\u0064"',
  '"ids"',
  '"method"',
  '"é\\/"',
  '"日本"',
  `"${'x'.repeat(90)}"`
]
const characters = [
  'x',
  ' ',
  'é',
  '–',
  '😀',
  '\u2028',
  '\u2029',
  '\u0085',
  '\ufeff',
  '\u007f',
  '\\n',
  '\\r\\n',
  '\\"',
  '\\\\',
  '\\/',
  '\\u0000',
  '\\u00e9',
  '\\ud83d\\ude00',
  '\\ud800',
  'data: ',
  '{\\"[,]:}'
]
const spaces = ['', '', '', ' ', '\t', '\n', '\r\n', '\n\n']

/** Makes a JSON object of about `size` characters. */
export function randomObject(random: Random, size: number): string {
  const pick = (from: readonly string[]): string =>
    from[Math.floor(random() * from.length)] as string
  const space = (): string => pick(spaces)

  // A string repeats its first 200 characters up to `size`, so a large text has few values.
  const string = (size: number): string => {
    let text = ''
    while (text.length < Math.min(size, 200)) text += pick(characters)
    return `"${text.repeat(Math.ceil(size / Math.max(text.length, 1)))}"`
  }
  const value = (size: number): string => {
    const kind = random()
    if (size < 4) return pick(numbers.slice(0, 2))
    if (kind < 0.15) return pick([...numbers, 'true', 'false', 'null'])
    if (kind < 0.5) return string(size)
    return kind < 0.75 ? list(size) : object(size)
  }
  const items = (size: number, item: (size: number) => string): string => {
    const written: string[] = []
    for (let left = size; left > 0;) {
      const next = item(Math.ceil(left * random()))
      written.push(space() + next + space())
      left -= next.length + 1
      if (written.length > 50) break
    }
    return written.join(',')
  }
  const list = (size: number): string => `[${items(size - 2, value)}${space()}]`
  const object = (size: number): string => {
    const member = (size: number): string => pick(keys) + space() + ':' + space() + value(size - 4)
    return `{${items(size - 2, member)}${space()}}`
  }
  return object(size)
}

/** Makes an object with `depth` arrays and objects inside each other. */
export function deepObject(depth: number): string {
  return `{"deep":${'[{"a":'.repeat(depth)}1${'}]'.repeat(depth)}}`
}

/** Cuts bytes into parts of random sizes. A cut may fall inside a character. */
export function cut(random: Random, bytes: Buffer): Buffer[] {
  const largest = Math.max(1, Math.ceil((bytes.length / 20) * random() * 2))
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + Math.floor(random() * largest)
    parts.push(bytes.subarray(at, end))
    at = end
  }
  return parts
}
