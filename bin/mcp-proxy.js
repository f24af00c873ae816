#!/usr/bin/env node
// Starts the command, which is lib/cli, bundled by lib/bundle.js as one script.
//
// An MCP client waits for the command to start, each time. So this file is CommonJS (see package.json
// beside it), and it keeps V8's compiled code of the script for the next start:
//
//   start → read the code of the mode → run the script → 2 s later or at the exit: write the code
//
// The code is written after the mode has run, because V8 compiles a function at its first call. Node's
// own compile cache (22.8 and later) has only the functions that V8 compiles before the script runs. A
// process writes only if it found no code that V8 accepts.

const fs = require('node:fs')
const { dirname, isAbsolute, sep } = require('node:path')
const { Script } = require('node:vm')

const dist = `${__dirname.slice(0, -'bin'.length)}dist`
const bundle = `${dist}${sep}cli.cjs`
/** When the process has probably sent its first response, in ms. */
const writeDelay = 2000
/** The code of several versions of the proxy and of Node may be in use. Older files are removed. */
const maxFiles = 8

if (!printVersion()) start()

/** Answers the usual `--version` without the script. Returns false if the script must do it. */
function printVersion() {
  const [, , word, ...rest] = process.argv
  if (word !== '--version' || rest.length > 0) return false
  try {
    fs.writeSync(1, `mcp-proxy ${require('../package.json').version}\n`)
    return true
  } catch {
    return false // stdout takes nothing now, or nothing more
  }
}

function start() {
  // A wrong guess costs only time.
  const mode = process.argv.some((word) => /^https?:/i.test(word)) ? 'client' : 'server'
  const { text, version } = readBundle()
  const directory = process.env.NODE_DISABLE_COMPILE_CACHE ? undefined : cacheDirectory()
  const file = directory && `${directory}${sep}${mode}-${version}`
  const cachedData = file && readCode(file)
  const script = new Script(text, { filename: bundle, cachedData })
  const module = { exports: {} }
  script.runInThisContext()(module.exports, requireFrom, module, bundle, dist)
  const isComplete = file === undefined || (cachedData && !script.cachedDataRejected)
  module.exports.runCommand((running) => {
    if (!isComplete && running === mode) writeLater(script, file)
  })
}

/** Loads a module of Node, or a file beside the bundle. */
function requireFrom(name) {
  return require(name.startsWith('./') ? dist + name.slice(1) : name)
}

/** Returns the script, and the name of this version of Node, of its flags and of the script. */
function readBundle() {
  const descriptor = fs.openSync(bundle)
  try {
    const { size, ctimeMs, ino } = fs.fstatSync(descriptor)
    const flags = sumOf(`${process.execArgv} ${process.env.NODE_OPTIONS ?? ''}`)
    const version = `${process.version}-${process.arch}-${size}-${ctimeMs}-${ino}-${flags}`
    // The bundle is ASCII, which Node reads faster than UTF-8.
    return { text: fs.readFileSync(descriptor, 'latin1'), version }
  } finally {
    fs.closeSync(descriptor)
  }
}

/** V8 refuses code that was compiled with other flags. */
function sumOf(text) {
  let sum = 0
  for (let i = 0; i < text.length; i++) sum = (sum * 31 + text.charCodeAt(i)) | 0
  return (sum >>> 0).toString(36)
}

/** Reads the code of a file that is complete, and that only this user can write to. */
function readCode(file) {
  try {
    const descriptor = fs.openSync(file, fs.constants.O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0))
    try {
      if (!isOurs(fs.fstatSync(descriptor))) return undefined
      const copies = fs.readFileSync(descriptor)
      const code = copies.subarray(0, copies.length / 2)
      return code.equals(copies.subarray(code.length)) ? code : undefined
    } finally {
      fs.closeSync(descriptor)
    }
  } catch {
    return undefined // there is no such file yet
  }
}

function writeLater(script, file) {
  const write = () => {
    clearTimeout(timer)
    process.off('exit', write)
    try {
      writeCode(file, script.createCachedData())
      removeOldFiles(dirname(file))
    } catch {
      // A full disk, or one that cannot be written: the next start takes a little longer.
    }
  }
  const timer = setTimeout(write, writeDelay).unref()
  process.on('exit', write)
}

/**
 * Writes the code twice. V8 checks only its length, and damaged code would end the process. To compare two
 * copies takes 0.1 ms, a sum of them several.
 */
function writeCode(file, code) {
  const temporary = `${file}.${process.pid}-${Date.now()}`
  const flags = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL
  const descriptor = fs.openSync(temporary, flags, 0o600)
  try {
    try {
      fs.writeFileSync(descriptor, Buffer.concat([code, code]), { flush: true })
    } finally {
      fs.closeSync(descriptor)
    }
    fs.renameSync(temporary, file)
  } catch (error) {
    fs.rmSync(temporary, { force: true })
    throw error
  }
}

function removeOldFiles(directory) {
  const files = fs
    .readdirSync(directory)
    .filter((name) => /^(client|server)-v/.test(name))
    .map((name) => `${directory}${sep}${name}`)
    .map((file) => ({ file, time: fs.statSync(file).mtimeMs }))
    .sort((one, other) => other.time - one.time)
  for (const { file } of files.slice(maxFiles)) fs.rmSync(file, { force: true })
}

/**
 * The directory for compiled code, or `undefined` for none. V8 executes what this file finds there, so
 * it must be a directory that only this user can write to: never a shared temporary one.
 */
function cacheDirectory() {
  try {
    const parent = cacheHome()
    if (!parent || !isAbsolute(parent)) return undefined
    const directory = `${parent}${sep}mcp-duplex`
    const exists = { throwIfNoEntry: false }
    if (!fs.lstatSync(directory, exists)) fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
    const stats = fs.lstatSync(directory)
    return stats.isDirectory() && isOurs(stats) ? directory : undefined
  } catch {
    return undefined // a read-only or missing home: the start takes a little longer
  }
}

/** Windows keeps the user's files from others by its own means. */
function isOurs({ uid, mode }) {
  return process.platform === 'win32' || (uid === process.getuid() && !(mode & 0o077))
}

function cacheHome() {
  const { env, platform } = process
  if (env.XDG_CACHE_HOME) return env.XDG_CACHE_HOME
  if (platform === 'win32') return env.LOCALAPPDATA
  const home = env.HOME || require('node:os').homedir()
  return platform === 'darwin' ? `${home}/Library/Caches` : `${home}/.cache`
}
