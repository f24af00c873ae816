// The folder in which tokens are kept, and the names of the files in it. Client mode looks at each start
// whether there is a file for its server, so this loads nothing else.

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

/**
 * The name of the files for a server and a client, without an extension. It begins with the host, so
 * two hosts never share a file.
 *
 * @param client the client id or metadata URL that the user gave, or ''
 */
export const storeName = (server: URL, client: string): string =>
  `${server.host.replace(/[^a-z\d.-]/g, '_')}-${hash(JSON.stringify([server.href, client]))}`

/** FNV-1a with 64 bits. It is no cryptographic hash, whose module takes long to load. */
function hash(text: string): string {
  let value = 0xcbf29ce484222325n
  for (const byte of Buffer.from(text)) {
    value = BigInt.asUintN(64, (value ^ BigInt(byte)) * 0x100000001b3n)
  }
  return value.toString(16).padStart(16, '0')
}
