// The environment that a server is started with. It is other people's code: unless told otherwise it
// gets what a program needs to run, and none of the secrets that happen to be around.

const posix = ['HOME', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER']

const windows = [
  'APPDATA',
  'COMSPEC',
  'HOMEDRIVE',
  'HOMEPATH',
  'LOCALAPPDATA',
  'PATH',
  'PATHEXT',
  'PROCESSOR_ARCHITECTURE',
  'SYSTEMDRIVE',
  'SYSTEMROOT',
  'TEMP',
  'USERNAME',
  'USERPROFILE'
]

export interface EnvironmentOptions {
  /** The proxy's own environment. */
  env?: NodeJS.ProcessEnv | undefined
  platform?: NodeJS.Platform | undefined
  /** Hands on all of it. */
  passEnvironment?: boolean | undefined
}

/** What is safe of the proxy's environment, or all of it, and the server's `own` variables over it. */
export function serverEnvironment(
  options: EnvironmentOptions = {},
  own: Iterable<[string, string]> = []
): Record<string, string> {
  const { env = process.env, platform = process.platform, passEnvironment = false } = options
  const isWindows = platform === 'win32'
  const safe = new Set(isWindows ? windows : posix)
  // On Windows Path and PATH are one variable. Given both, the one that a process sees is not the
  // one that was set last, so there must never be both.
  const keyOf = (name: string): string => (isWindows ? name.toUpperCase() : name)

  const merged = new Map<string, [string, string]>()
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue
    // "()" opens a function that an old bash exported: code, if the server runs such a bash.
    const handedOn = passEnvironment || (safe.has(keyOf(name)) && !value.startsWith('()'))
    if (handedOn) merged.set(keyOf(name), [name, value])
  }
  for (const [name, value] of own) merged.set(keyOf(name), [name, value])
  return Object.fromEntries(merged.values())
}
