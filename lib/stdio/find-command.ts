// Finds the program that a command names, as the operating system would, so that a wrong one is told
// before anything is started; and starts batch files on Windows, which only cmd.exe can.

import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { ProxyError } from '../errors.ts'

export interface Command {
  file: string
  args: string[]
  /** The arguments are quoted already (cmd.exe has rules of its own). */
  windowsVerbatimArguments: boolean
}

export interface CommandOptions {
  env?: NodeJS.ProcessEnv | undefined
  cwd?: string | undefined
  platform?: NodeJS.Platform | undefined
}

/** @throws ProxyError `ERR_COMMAND_NOT_FOUND`, naming where it was looked for */
export function findCommand(name: string, args: string[], options: CommandOptions = {}): Command {
  const { env = process.env, cwd = process.cwd(), platform = process.platform } = options
  const windows = platform === 'win32'
  const { resolve, delimiter } = windows ? path.win32 : path.posix
  const notFound = (where: string): ProxyError =>
    new ProxyError('ERR_COMMAND_NOT_FOUND', `cannot start "${name}": ${where}`)
  // Otherwise it is the program that the operating system says is missing.
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

// Windows does not mind how the name of a variable is written.
function variable(name: string, env: NodeJS.ProcessEnv, windows: boolean): string {
  const key = windows ? Object.keys(env).find((key) => key.toUpperCase() === name) : name
  return (key !== undefined && env[key]) || ''
}

// A name that has one of the endings is tried as it is first.
function windowsEndings(name: string, env: NodeJS.ProcessEnv): string[] {
  const listed = variable('PATHEXT', env, true) || '.COM;.EXE;.BAT;.CMD'
  // One too many a semicolon does not make a program of what has no ending.
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
    // Windows knows no permission to execute: there the ending tells.
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

// The argument passes through three readers: cmd.exe for this line, cmd.exe again where the batch
// file hands on its %*, and the program's own splitting, which knows backslashes and quotes.
function quoteForBatch(arg: string): string {
  const quoted = `"${arg.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\*)$/, '$1$1')}"`
  return quoted.replace(metacharacters, '^$&').replace(metacharacters, '^$&')
}
