// The environment of a server's process. A server is other people's code: by default it gets the few
// variables that a program needs to run, and none of the secrets in the proxy's environment.

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
  /** The proxy's environment (default: `process.env`). */
  env?: NodeJS.ProcessEnv | undefined
  /** Default: the system that the proxy runs on. */
  platform?: NodeJS.Platform | undefined
  /** Passes on the whole environment, secrets included (default: no). */
  passEnvironment?: boolean | undefined
}

/**
 * Makes the environment of a server.
 *
 * @param own the variables that are configured for this server. They override the proxy's
 */
export function serverEnvironment(
  options: EnvironmentOptions = {},
  own: Iterable<[string, string]> = []
): Record<string, string> {
  const { env = process.env, platform = process.platform, passEnvironment = false } = options
  const isWindows = platform === 'win32'
  const safe = new Set(isWindows ? windows : posix)
  // On Windows Path and PATH are one variable. A process that is given both does not see the one that
  // was set last, so never give both.
  const keyOf = (name: string): string => (isWindows ? name.toUpperCase() : name)

  const merged = new Map<string, [string, string]>()
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue
    // A value that starts with "()" is a function that an old bash exported. A server that runs such a
    // bash would run it.
    const isPassed = passEnvironment || (safe.has(keyOf(name)) && !value.startsWith('()'))
    if (isPassed) merged.set(keyOf(name), [name, value])
  }
  for (const [name, value] of own) merged.set(keyOf(name), [name, value])
  return Object.fromEntries(merged.values())
}
