#!/usr/bin/env node
// Starts the command, which is lib/cli, bundled by lib/bundle.js.
//
// An MCP client waits for the command to start, so this file is CommonJS (see package.json beside it),
// and V8's compiled code is kept for the next start where Node can do that (22.8 and later).

const nodeModule = require('node:module')

const directory = nodeModule.enableCompileCache && cacheDirectory()
if (directory) nodeModule.enableCompileCache(directory)

require('../dist/cli.cjs').runCommand()

/**
 * The directory for compiled code, or `undefined` for none. Node executes what it finds there, so it
 * must be a directory that only this user can write to: never a shared temporary one.
 */
function cacheDirectory() {
  const { lstatSync, mkdirSync } = require('node:fs')
  const { isAbsolute, join } = require('node:path')
  try {
    const parent = cacheHome()
    if (!parent || !isAbsolute(parent)) return undefined
    const directory = join(parent, 'mcp-duplex')
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const { mode, uid } = lstatSync(directory)
    const isDirectory = (mode & 0o170000) === 0o040000
    // Windows keeps the user's directories from others by its own means.
    const isOurs = process.platform === 'win32' || (uid === process.getuid() && !(mode & 0o077))
    return isDirectory && isOurs ? directory : undefined
  } catch {
    return undefined // a read-only or missing home: the start takes a little longer
  }
}

function cacheHome() {
  const { env, platform } = process
  if (env.XDG_CACHE_HOME) return env.XDG_CACHE_HOME
  if (platform === 'win32') return env.LOCALAPPDATA
  const home = require('node:os').homedir()
  return platform === 'darwin' ? `${home}/Library/Caches` : `${home}/.cache`
}
