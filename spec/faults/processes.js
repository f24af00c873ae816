// Looks at processes in /proc: which belong to a run, and how many descriptors one has. Linux only.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Returns the pids of the processes that have `marker` in their command line or environment. */
export function processesWith(marker) {
  const found = []
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue
    const text = read(`/proc/${pid}/cmdline`) + read(`/proc/${pid}/environ`)
    if (text.includes(marker) && stateOf(pid) !== 'Z') found.push(Number(pid))
  }
  return found
}

/** The state letter of a process, such as S or Z; undefined if it does not exist. */
export const stateOf = (pid) => /^State:\s+(\w)/m.exec(read(`/proc/${pid}/status`))?.[1]

export const parentOf = (pid) => Number(/^PPid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1])

export const isRunning = (pid) => !['Z', 'X', undefined].includes(stateOf(pid))

/** What each descriptor of a process is, such as `socket` or a path. Empty if the process is gone. */
export function descriptorsOf(pid) {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`))
  } catch {
    return []
  }
}

/** Resident memory, in bytes. */
export const memoryOf = (pid) =>
  Number(/^VmRSS:\s*(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? NaN) * 1024

function linkOf(file) {
  try {
    return readlinkSync(file).replace(/:\[\d+\]$/, '')
  } catch {
    return 'closed'
  }
}

function read(file) {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}
