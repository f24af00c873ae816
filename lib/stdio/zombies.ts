// Finds out whether a process group still runs or has only zombies left. A zombie is a process that
// has exited, but that its parent has not reaped (waited for). In a container without an init, no
// process reaps orphans. A signal to a group of zombies succeeds, so a signal cannot find out more.

import { readdirSync, readFileSync } from 'node:fs'

/**
 * Returns whether a process of the group runs. Only Linux has /proc, which shows this. On other
 * systems the result is true.
 *
 * @param proc the folder where the process file system is mounted
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
    return false // the process has exited since `readdirSync`
  }
  // The line is "pid (name) state ppid pgrp …" (proc_pid_stat(5)). The name may contain parentheses
  // and spaces, so this reads what follows the last parenthesis.
  const [state = '', , own] = stat.slice(stat.lastIndexOf(')') + 2).split(' ', 3)
  return Number(own) === group && !'ZX'.includes(state)
}
