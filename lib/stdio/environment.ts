// The environment of a server's process. Other people wrote the server. So by default it gets only
// the few variables that a program needs to run, and no secrets from the proxy's environment.

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
  /** The operating system. Default: the system that the proxy runs on. */
  platform?: NodeJS.Platform | undefined
  /** Whether the server gets the whole environment, with all secrets (default: no). */
  passEnvironment?: boolean | undefined
}

/**
 * Returns the environment for a server.
 *
 * @param own the variables that the configuration sets for this server. They override the proxy's
 * variables
 */
export function serverEnvironment(
  options: EnvironmentOptions = {},
  own: Iterable<[string, string]> = []
): Record<string, string> {
  const { env = process.env, platform = process.platform, passEnvironment = false } = options
  const isWindows = platform === 'win32'
  const safe = new Set(isWindows ? windows : posix)
  // On Windows, Path and PATH are one variable. A process that gets both does not see the value
  // that was set last, so a server gets only one of them.
  const keyOf = (name: string): string => (isWindows ? name.toUpperCase() : name)

  const merged = new Map<string, [string, string]>()
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue
    // A value that starts with "()" is a function that an old bash exported. If the server starts
    // such a bash, this bash runs the code. So by default the server does not get the value.
    const isPassed = passEnvironment || (safe.has(keyOf(name)) && !value.startsWith('()'))
    if (isPassed) merged.set(keyOf(name), [name, value])
  }
  for (const [name, value] of own) merged.set(keyOf(name), [name, value])
  return Object.fromEntries(merged.values())
}
