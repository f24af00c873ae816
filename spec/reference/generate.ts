// Generates command lines: flags of the reference in all spellings, with right and wrong values, and
// words that could belong to the command, to a flag or to nothing.

type Random = () => number

/** The generator mulberry32: the same seed gives the same numbers. */
export function randomOf(seed: number): Random {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** @param file a config file, and `pem` a file that exists */
export function generatorOf(random: Random, file: string, pem: string): () => string[] {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const chance = (part: number): boolean => random() < part

  const plain = [
    'cmd',
    'uvx',
    'a',
    'mcp-server-fetch',
    'b.com',
    'true',
    '80',
    'a=b',
    'a b',
    'x',
    'KEY'
  ]
  const urls = ['http://localhost:8080/sse', 'https://a.example/mcp', 'http://h/']
  const odd = [
    ...[
      '-',
      '',
      '-1',
      '-1.5',
      '-.5',
      '-1x',
      '--query=select 1',
      '-x y',
      '--query=1',
      '-y',
      '--unknown'
    ],
    ...[
      '--port 80',
      '--key=a b',
      '-e1',
      '-eA b',
      '-Hx',
      '--',
      '*',
      'null',
      'ws://x',
      'HTTP://h/',
      '--e=a b',
      ' '
    ]
  ]
  const values: Record<string, readonly string[]> = {
    transport: ['sse', 'streamablehttp', 'SSE', 'auto', 'ws'],
    'client-id': ['id', ''],
    'client-secret': ['s', '-s', 's s'],
    'token-url': ['https://a.example/t', 't'],
    username: ['u'],
    password: ['p'],
    cwd: ['.', '/', '', '/none'],
    'log-level': ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL', 'info', 'loud'],
    'named-server-config': [file],
    port: ['80', '8080', '0', '-1', 'x', '65536', '080', ' 80', '+80', '8_0', '80 '],
    'sse-port': ['81'],
    host: ['0.0.0.0', 'localhost', '::1', '[::1]', 'h h', '-1'],
    'sse-host': ['1.1.1.1'],
    'expose-header': ['X', 'X, Y', 'a b', 'X,Y', '']
  }
  const switches = ['pass-environment', 'debug', 'stateless'].flatMap((name) => [
    name,
    `no-${name}`
  ])
  const names = ['X', 'Authorization', 'X-Key', 'X: y', 'X:', 'a b', 'KEY', '-1', '']
  const pairValues = [
    'v',
    'Bearer t',
    '-1',
    '-v',
    '--key=a b',
    '--query=a b',
    '--port=1',
    '--n',
    ''
  ]
  const origins = ['a.com', 'b.com', 'https://a.example', 'http://b:80/', '*', 'null', '-1', 'cmd']

  const spell = (name: string): string => {
    if (!chance(0.2)) return `--${name}`
    return `--${name.slice(0, 1 + Math.floor(random() * name.length))}`
  }
  const withValue = (name: string): string[] => {
    const value = chance(0.05) ? pick([...plain, ...odd]) : pick(values[name] as string[])
    if (chance(0.04)) return [spell(name)]
    return chance(0.4) ? [`${spell(name)}=${value}`] : [spell(name), value]
  }
  const pair = (flag: string): string[] => {
    const words = [pick(names), pick(pairValues)]
    if (chance(0.05)) words.pop()
    return chance(0.1) ? [`${flag}=${words[0]}`, ...words.slice(1)] : [flag, ...words]
  }
  const makers: (() => string[])[] = [
    () => withValue(pick(Object.keys(values))),
    () => withValue(pick(Object.keys(values))),
    () => [spell(pick(switches)) + (chance(0.03) ? '=1' : '')],
    () => pair(chance(0.5) ? '-e' : spell('env')),
    () => pair(chance(0.5) ? '-H' : spell('headers')),
    () => [
      spell('named-server'),
      pick(['one', 'a/b', '..', '']),
      pick(['x y', "x 'y z'", "'", ''])
    ],
    () => [spell('allow-origin'), ...Array.from({ length: 1 + 3 * random() }, () => pick(origins))],
    () => [`--allow-origin=${pick(origins)}`],
    () => [
      spell('verify-ssl'),
      ...(chance(0.7) ? [pick(['true', 'no', pem, 'none.pem', 'cmd'])] : [])
    ],
    () => [
      pick([`--verify-ssl=${pem}`, '--verify-ssl=0', '--verify-ssl=none.pem', '--no-verify-ssl'])
    ],
    () => [pick([...plain, ...plain, ...odd])],
    () => [pick([...odd, '--digest', '--shared', '--help', '--version', '-h'])]
  ]
  return () => {
    const target = chance(0.3)
      ? [pick(urls)]
      : [pick(plain), ...(chance(0.5) ? [pick([...plain, ...odd])] : [])]
    const parts = Array.from({ length: 4 * random() }, () => pick(makers)())
    if (chance(0.05)) return parts.flat()
    if (chance(0.15)) return [...parts.flat(), '--', ...target]
    parts.splice(chance(0.5) ? parts.length : Math.floor(random() * (parts.length + 1)), 0, target)
    return parts.flat()
  }
}
