// Runs the command: reads the arguments, then loads and runs the mode that they choose. It prints
// an error as one line on stderr.

import type { ClientConfig, Config, ServeConfig } from '../config/config.ts'
import { describe, ProxyError } from '../errors.ts'
import type { LineFile } from '../line-file.ts'
import type { Log } from '../log.ts'
import { parseArguments } from './arguments/parse-arguments.ts'
import { groups } from './flags.ts'
import { LogWriter } from './log-writer.ts'
import { openLog } from './open-log.ts'

/** The modes that serve clients. */
export type Mode = 'client' | 'server'

/**
 * Resolves to the exit code: 0 for success, 1 for a failure, 2 for wrong arguments or config file,
 * or for faults that --check finds.
 *
 * @param onMode is called when a mode starts to serve
 */
export async function main(argv: string[], onMode: (mode: Mode) => void): Promise<number> {
  try {
    const config = await parse(argv)
    if ('check' in config) return await check(config)
    switch (config.mode) {
      case 'version': {
        const { version } = await import('../version.ts')
        print(`mcp-proxy ${version}\n`)
        return 0
      }
      case 'help': {
        const { renderHelp } = await import('./help.ts')
        print(renderHelp(groups))
        return 0
      }
      case 'login':
      case 'logout': {
        const commands = await import('./sign-in-commands.ts')
        print(await commands[config.mode](config.client))
        return 0
      }
      case 'tokens': {
        const { tokens } = await import('./sign-in-commands.ts')
        print(await tokens())
        return 0
      }
      case 'inspect': {
        const { inspectFile } = await import('./watchers/open-inspector.ts')
        await inspectFile(config.file)
        return 0
      }
      case 'client': {
        const { runClient } = await import('./client-mode.ts')
        onMode('client')
        await withLog(config, (log, file) => runClient(config, log, file))
        return 0
      }
      case 'server': {
        const { runServer } = await import('./server-mode.ts')
        onMode('server')
        await withLog(config, (log, file) => runServer(config, log, () => parse(argv), file))
        return 0
      }
    }
  } catch (error) {
    new LogWriter().write(`mcp-proxy: ${describe(error)}`)
    const isUsage =
      error instanceof ProxyError && (error.code === 'ERR_USAGE' || error.code === 'ERR_CONFIG')
    return isUsage ? 2 : 1
  }
}

const parse = (argv: string[]): Promise<Config> => parseArguments(argv, process.env)

async function check(config: ClientConfig | ServeConfig): Promise<number> {
  const { findFaults } = await import('./check.ts')
  await openLog({ ...config, logFile: undefined })
  const faults = findFaults(config)
  for (const fault of faults) new LogWriter().write(`mcp-proxy: ${fault}`)
  if (faults.length === 0) print('mcp-proxy: no faults found\n')
  return faults.length === 0 ? 0 : 2
}

async function withLog(
  config: ClientConfig | ServeConfig,
  run: (log: Log, file: LineFile | undefined) => Promise<void>
): Promise<void> {
  const { log, file } = await openLog(config)
  try {
    await run(log, file)
  } finally {
    await file?.close()
  }
}

function print(text: string): void {
  // The reader of stdout has closed it, as in `mcp-proxy --help | true`: no failure.
  process.stdout.on('error', () => {})
  process.stdout.write(text)
}
