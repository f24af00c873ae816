// Finds out whether a process group still runs or contains only zombies. A zombie is a process that
// has exited and stays in the process table until its parent reaps it. In a container without an
// init process, nobody reaps zombies. A signal to a group of zombies still succeeds.

import { readdirSync, readFileSync } from 'node:fs'

/**
 * Returns whether a process of the group runs, by /proc (Linux). Without /proc, returns true.
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
    return false // the process has exited since the listing
  }
  // The format is "pid (name) state ppid pgrp …". The name may contain parentheses and spaces, so
  // the fields are read after the last parenthesis (proc_pid_stat(5)).
  const [state = '', , own] = stat.slice(stat.lastIndexOf(')') + 2).split(' ', 3)
  return Number(own) === group && !'ZX'.includes(state)
}
