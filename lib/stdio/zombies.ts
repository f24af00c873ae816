// Tells a process group that still runs from one of which only zombies are left. A zombie has exited,
// but stays until its parent reaps it: in a container without an init nobody does, and signals to its
// group still succeed.

import { readdirSync, readFileSync } from 'node:fs'

/**
 * Whether a process of the group runs, as far as /proc shows it (Linux). True where there is no /proc.
 *
 * @param proc where the process file system is mounted
 */
export function hasRunningMember(group: number, proc = '/proc'): boolean {
  let names: string[]
  try {
    names = readdirSync(proc)
  } catch {
    return true
  }
  const processes = names.filter((name) => /^\d+$/.test(name))
  return processes.length === 0 || processes.some((pid) => runsIn(group, `${proc}/${pid}/stat`))
}

function runsIn(group: number, file: string): boolean {
  let stat: string
  try {
    stat = readFileSync(file, 'latin1')
  } catch {
    return false // it has gone since
  }
  // "pid (name) state ppid pgrp …", and the name may hold parentheses and spaces (proc_pid_stat(5)).
  const [state = '', , own] = stat.slice(stat.lastIndexOf(')') + 2).split(' ', 3)
  return Number(own) === group && !'ZX'.includes(state)
}
