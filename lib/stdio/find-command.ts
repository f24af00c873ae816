// Finds the program file of a command, by the rules of the operating system. So the proxy reports a
// wrong command before it starts a process. On Windows, only cmd.exe can start a batch file, so
// this returns a cmd.exe command for a batch file.

import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { ProxyError } from '../errors.ts'

export interface Command {
  file: string
  args: string[]
  /** Whether the arguments are already quoted by the rules of cmd.exe. */
  windowsVerbatimArguments: boolean
}

export interface CommandOptions {
  /** The environment of the new process. Its PATH is searched (default: `process.env`). */
  env?: NodeJS.ProcessEnv | undefined
  /** The working directory of the new process (default: the proxy's). */
  cwd?: string | undefined
  /** The operating system. Default: the system that the proxy runs on. */
  platform?: NodeJS.Platform | undefined
}

/** @throws ProxyError `ERR_COMMAND_NOT_FOUND`. The message contains the path or PATH searched */
export function findCommand(name: string, args: string[], options: CommandOptions = {}): Command {
  const { env = process.env, cwd = process.cwd(), platform = process.platform } = options
  const windows = platform === 'win32'
  const { resolve, delimiter } = windows ? path.win32 : path.posix
  const notFound = (where: string): ProxyError =>
    new ProxyError('ERR_COMMAND_NOT_FOUND', `cannot start "${name}": ${where}`)
  // If `cwd` is missing, the system would say that the program is missing. So check `cwd` here.
  if (!isDirectory(cwd)) throw notFound(`there is no directory ${cwd} to start it in`)
  const searched = variable('PATH', env, windows)
  const isPath = name.includes('/') || (windows && name.includes('\\'))
  const directories = isPath
    ? ['']
    : searched.split(delimiter).filter((directory) => directory !== '')
  const bases = directories.map((directory) => resolve(cwd, directory, name))
  const endings = windows ? windowsEndings(name, env) : ['']
  for (const base of bases) {
    for (const ending of endings) {
      if (isProgram(base + ending, windows)) return startable(base + ending, args, env, windows)
    }
  }
  throw notFound(isPath ? `no program at ${bases[0]}` : `not found; PATH is ${searched || 'empty'}`)
}

// Windows ignores the case in the names of variables, so this does too.
function variable(name: string, env: NodeJS.ProcessEnv, windows: boolean): string {
  const key = windows ? Object.keys(env).find((key) => key.toUpperCase() === name) : name
  return (key !== undefined && env[key]) || ''
}

// Returns the endings to try. If the name already has an ending, the unchanged name comes first.
function windowsEndings(name: string, env: NodeJS.ProcessEnv): string[] {
  const listed = variable('PATHEXT', env, true) || '.COM;.EXE;.BAT;.CMD'
  // Two semicolons in a row make an empty ending. It would match a file without an ending.
  const endings = listed
    .toLowerCase()
    .split(';')
    .filter((ending) => ending !== '')
  return endings.some((ending) => name.toLowerCase().endsWith(ending)) ? ['', ...endings] : endings
}

function isDirectory(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function isProgram(file: string, windows: boolean): boolean {
  try {
    // Windows has no execute permission. There the ending of a file name makes the file a program.
    accessSync(file, windows ? constants.F_OK : constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

function startable(
  file: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  windows: boolean
): Command {
  if (!windows || !/\.(cmd|bat)$/i.test(file))
    return { file, args, windowsVerbatimArguments: false }
  const line = [file.replace(metacharacters, '^$&'), ...args.map(quoteForBatch)].join(' ')
  const shell = variable('COMSPEC', env, true) || 'cmd.exe'
  return { file: shell, args: ['/d', '/s', '/c', `"${line}"`], windowsVerbatimArguments: true }
}

const metacharacters = /[()\][%!^"`<>&|;, *?]/g

// An argument is parsed three times. First, cmd.exe parses this line. Second, cmd.exe parses the
// line in the batch file that contains %*. Third, the program splits its command line at spaces and
// handles backslashes and quotes. So this quotes for the program and then escapes twice for
// cmd.exe.
function quoteForBatch(arg: string): string {
  const quoted = `"${arg.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\*)$/, '$1$1')}"`
  return quoted.replace(metacharacters, '^$&').replace(metacharacters, '^$&')
}
