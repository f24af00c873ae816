// Reads the named servers from the config file or, if there is no file, from --named-server.

import type { Pair } from '../flags/flag.ts'
import { isServerName } from '../../config/checks.ts'
import type { ConfigFile, MakeEnvironment } from '../../config/config-file.ts'
import type { ServerConfig } from '../../config/config.ts'
import { quote, usage } from './usage.ts'

/**
 * @param file the path of the config file. With a file, the function ignores `definitions`
 * @param definitions the name and the command of each --named-server
 * @param env the variables for placeholders in the file
 * @throws ProxyError `ERR_USAGE` for a wrong definition, `ERR_CONFIG` for a wrong file
 */
export async function readNamedServers(
  file: string | undefined,
  definitions: readonly Pair[],
  environment: MakeEnvironment,
  env: NodeJS.ProcessEnv
): Promise<ConfigFile> {
  if (file !== undefined) {
    const { loadConfigFile } = await import('../../config/config-file.ts')
    return loadConfigFile(file, environment, env)
  }
  const named = new Map<string, ServerConfig>()
  for (const [name, text] of definitions) {
    if (!isServerName(name)) {
      throw usage(
        `--named-server ${quote(name)}: the name must be fit for a URL: not empty, "." or ".."`
      )
    }
    const [command = '', ...args] = await splitCommand(name, text)
    if (command === '') throw usage(`--named-server ${name}: its command is empty`)
    named.set(name, { kind: 'command', command, args, env: environment([]) })
  }
  return { named, faults: [] }
}

async function splitCommand(name: string, text: string): Promise<string[]> {
  if (!/['"\\]/.test(text)) return text.split(/[ \t\r\n]+/).filter((word) => word !== '')
  const { split } = await import('shlex')
  try {
    return split(text)
  } catch {
    throw usage(
      `--named-server ${name}: a quote or backslash in its command has nothing to close it`
    )
  }
}
