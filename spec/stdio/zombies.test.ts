// Which process groups count as running.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { hasRunningMember } from '../../lib/stdio/zombies.ts'

const stat = (name: string, state: string, group: number): string =>
  `1 (${name}) ${state} 1 ${group} 1 0 -1 4194304`

t.test('a group of which only zombies are left does not run', async (t) => {
  const proc = t.testdir({
    '10': { stat: stat('node', 'Z', 7) },
    '11': { stat: stat('a) S 1 8 (b', 'X', 7) },
    '12': { stat: stat('sh', 'S', 8) },
    '13': {},
    self: 'not a process'
  })
  t.notOk(hasRunningMember(7, proc))
  t.ok(hasRunningMember(8, proc))
  t.notOk(hasRunningMember(9, proc), 'nor does one without members')
})

t.test('a group runs as long as one member does', async (t) => {
  const proc = t.testdir({
    '10': { stat: stat('node', 'Z', 7) },
    '11': { stat: stat('sh', 'D', 7) }
  })
  t.ok(hasRunningMember(7, proc))
})

t.test('without a process file system each group counts as running', async (t) => {
  t.ok(hasRunningMember(7, `${t.testdir()}/none`))
  t.ok(hasRunningMember(7, t.testdir({ self: '' })))
})

t.test('a child of this process runs until it exits', async (t) => {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { detached: true })
  const group = child.pid as number
  t.ok(hasRunningMember(group))
  child.stdin.end()
  await once(child, 'exit')
  if (process.platform === 'linux') t.notOk(hasRunningMember(group))
})
