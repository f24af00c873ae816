// A lock between processes that a crash cannot leave behind.
//
// Each holder makes a file `NAME.lock.N`, one number above the last. A file with a name can be made
// only once, so only one process gets the number. A process may take the next number when the
// holder of the last one has released it, has exited, or has not touched its file for 10 s. A machine
// that slept has old files too, so the holder then gets time to touch its file. The file with the
// highest number is never removed. So a slow process sees that another one has taken its number.

import { link, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { randomUUID } from 'node:crypto'

/** The time between two looks at a lock that another process holds, in ms. */
const interval = 50
/** How often the holder touches its file, and after which time without it the lock is free, in ms. */
const touchEvery = 2000
const staleAfter = 10_000
/** How many looks in a row must find an old file. The looks take 3 s or more. */
const maxOldLooks = 60

/**
 * Runs the work while this process alone holds the lock `name` in the folder.
 *
 * @param skip returns the result if another process has done the work already. Then this process does
 *   not need the lock. It looks before it takes the lock, and while another process holds it
 */
export async function withLock<T>(
  folder: string,
  name: string,
  work: () => Promise<T>,
  signal: AbortSignal,
  skip: () => Promise<T | undefined> = () => Promise.resolve(undefined)
): Promise<T> {
  const prefix = `${name}.lock.`
  const found = await acquire(folder, prefix, signal, skip)
  if (typeof found === 'object') return found.skipped
  const number = found
  const file = join(folder, `${prefix}${number}`)
  const timer = setInterval(() => void touch(file), touchEvery)
  try {
    await removeBelow(folder, prefix, number)
    return await work()
  } finally {
    clearInterval(timer)
    await replace(file, '')
  }
}

async function acquire<T>(
  folder: string,
  prefix: string,
  signal: AbortSignal,
  skip: () => Promise<T | undefined>
): Promise<number | { skipped: T }> {
  const own = JSON.stringify({ pid: process.pid, host: hostname() })
  let oldLooks = 0
  for (;;) {
    signal.throwIfAborted()
    const skipped = await skip()
    if (skipped !== undefined) return { skipped }
    const last = highest(await readdir(folder), prefix)
    const state = last === 0 ? 'free' : await stateOf(join(folder, `${prefix}${last}`))
    oldLooks = state === 'old' ? oldLooks + 1 : 0
    if (state === 'free' || oldLooks > maxOldLooks) {
      if (await make(join(folder, `${prefix}${last + 1}`), own)) {
        if (highest(await readdir(folder), prefix) === last + 1) return last + 1
        // This process was slow. Others have taken this number and more.
        await rm(join(folder, `${prefix}${last + 1}`), { force: true })
      }
      continue
    }
    const time = interval + Math.random() * interval
    await sleep(time, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

function highest(names: string[], prefix: string): number {
  let number = 0
  for (const name of names) {
    if (name.startsWith(prefix)) number = Math.max(number, numberOf(name, prefix))
  }
  return number
}

/** Returns 0 for a file that is no lock, such as one that is being written. */
function numberOf(name: string, prefix: string): number {
  const text = name.slice(prefix.length)
  return /^\d{1,15}$/.test(text) ? Number(text) : 0
}

async function stateOf(file: string): Promise<'free' | 'held' | 'old'> {
  try {
    const text = await readFile(file, 'utf8')
    if (text === '') return 'free'
    const { pid, host } = JSON.parse(text) as { pid: number; host: string }
    if (host === hostname() && !isRunning(pid)) return 'free'
    // The process of this id may also be another one that began later.
    const { mtimeMs } = await stat(file)
    return Math.abs(Date.now() - mtimeMs) > staleAfter ? 'old' : 'held'
  } catch {
    return 'held' // the file has just gone, or is not readable: look again
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Makes the file with its text in one step. Returns false if it exists already. */
async function make(file: string, text: string): Promise<boolean> {
  const draft = `${file}.${randomUUID()}`
  await writeFile(draft, text, { mode: 0o600, flag: 'wx' })
  try {
    const error = await link(draft, file).catch((cause: NodeJS.ErrnoException) => cause)
    if (error === undefined) return true
    if (error.code === 'EEXIST') return false
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

/** Writes the file in one step, so that a reader sees the old text or the new one. */
export async function replace(file: string, text: string): Promise<void> {
  const draft = `${file}.${randomUUID()}`
  try {
    await writeFile(draft, text, { mode: 0o600, flag: 'wx' })
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {}) // `error` says more
    throw error
  }
}

async function removeBelow(folder: string, prefix: string, number: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const other = name.startsWith(prefix) ? numberOf(name, prefix) : 0
    if (other > 0 && other < number) await rm(join(folder, name), { force: true })
  }
}

async function touch(file: string): Promise<void> {
  const now = new Date()
  await utimes(file, now, now).catch(() => {}) // another process may take the lock then
}
