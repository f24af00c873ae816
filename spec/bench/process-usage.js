// CPU time and memory of a process, read from /proc. Where there is no /proc (not Linux) or no such
// process, every figure is NaN, and the tables show a dash.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs'

/** CPU time of all threads, in microseconds. */
export const cpuTimeOf = (pid) =>
  orNaN(() => {
    let total = 0
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      total += orNaN(() =>
        Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
      )
    }
    return total / 1000
  })

/** How often a thread has gone to sleep since the start, all threads together. */
export const sleepsOf = (pid) =>
  orNaN(() => {
    let total = 0
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const status = orNaN(() => readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8'))
      total += Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(status)?.[1] ?? 0)
    }
    return total
  })

/** Resident memory, in bytes. */
export const memoryOf = (pid) => bytesIn(pid, 'VmRSS')

/** The highest resident memory since `resetPeakMemory`, in bytes. */
export const peakMemoryOf = (pid) => bytesIn(pid, 'VmHWM')

export const resetPeakMemory = (pid) => orNaN(() => writeFileSync(`/proc/${pid}/clear_refs`, '5'))

const bytesIn = (pid, field) =>
  orNaN(() => {
    const [, kibibytes] = new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(
      readFileSync(`/proc/${pid}/status`, 'utf8')
    )
    return Number(kibibytes) * 1024
  })

function orNaN(read) {
  try {
    return read()
  } catch {
    return NaN
  }
}
