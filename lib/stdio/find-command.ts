// Finds the program that a command names, by the rules of the operating system, so that a wrong command
// is reported before a process is started. On Windows a batch file is started through cmd.exe, since
// nothing else can start one.

import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { ProxyError } from '../errors.ts'

export interface Command {
  file: string
  args: string[]
  /** The arguments are quoted already, by the rules of cmd.exe. */
  windowsVerbatimArguments: boolean
}

export interface CommandOptions {
  /** The environment of the process to start: its PATH is searched (default: `process.env`). */
  env?: NodeJS.ProcessEnv | undefined
  /** The working directory of the process to start (default: the proxy's). */
  cwd?: string | undefined
  /** Default: the system that the proxy runs on. */
  platform?: NodeJS.Platform | undefined
}

/** @throws ProxyError `ERR_COMMAND_NOT_FOUND`: the message names the path or the PATH searched */
export function findCommand(name: string, args: string[], options: CommandOptions = {}): Command {
  const { env = process.env, cwd = process.cwd(), platform = process.platform } = options
  const windows = platform === 'win32'
  const { resolve, delimiter } = windows ? path.win32 : path.posix
  const notFound = (where: string): ProxyError =>
    new ProxyError('ERR_COMMAND_NOT_FOUND', `cannot start "${name}": ${where}`)
  // Check it here: the operating system would report the program as missing.
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

// On Windows the names of variables are the same in upper and lower case.
function variable(name: string, env: NodeJS.ProcessEnv, windows: boolean): string {
  const key = windows ? Object.keys(env).find((key) => key.toUpperCase() === name) : name
  return (key !== undefined && env[key]) || ''
}

// A name that already has one of the endings is tried without another one first.
function windowsEndings(name: string, env: NodeJS.ProcessEnv): string[] {
  const listed = variable('PATHEXT', env, true) || '.COM;.EXE;.BAT;.CMD'
  // An empty ending, from a doubled semicolon, must not match a file without an ending.
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
    // Windows has no permission to execute: the ending of a file makes it a program.
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

// An argument is parsed three times: by cmd.exe for this line, by cmd.exe again where the batch file
// passes on %*, and by the program, which splits its command line at spaces and knows backslashes and
// quotes. So the quoting for the program is escaped twice for cmd.exe.
function quoteForBatch(arg: string): string {
  const quoted = `"${arg.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\*)$/, '$1$1')}"`
  return quoted.replace(metacharacters, '^$&').replace(metacharacters, '^$&')
}
