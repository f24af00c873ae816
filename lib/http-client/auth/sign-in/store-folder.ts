// The folder in which tokens are kept.

import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** `$XDG_CONFIG_HOME/mcp-duplex`, or the place of the platform if the variable is not set. */
export function storeFolder(
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform
): string {
  const { XDG_CONFIG_HOME: given, APPDATA: roaming } = env
  if (given !== undefined && isAbsolute(given)) return join(given, 'mcp-duplex')
  if (platform === 'win32') {
    return join(roaming ?? join(homedir(), 'AppData', 'Roaming'), 'mcp-duplex')
  }
  const parts = platform === 'darwin' ? ['Library', 'Application Support'] : ['.config']
  return join(homedir(), ...parts, 'mcp-duplex')
}
