// When the proxy reloads.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Reloads } from '../../../lib/cli/service/reloads.ts'
import { KeptLog, until } from '../../helpers.ts'

t.test('a reload that hangs is given up, changes nothing, and the next one runs', async (t) => {
  const log = new KeptLog()
  const reloads = new Reloads(log, undefined, 50)
  let wasAborted: boolean | undefined
  let count = 0
  reloads.start(async (signal) => {
    if (count++ > 0) return ['added a']
    await sleep(200)
    wasAborted = signal.aborted
    throw new Error('too late')
  })
  reloads.reopen()
  reloads.filesOnChange()
  await until(() => log.lines.length === 2)
  await until(() => wasAborted !== undefined)
  reloads.stop()
  t.equal(wasAborted, true)
  t.strictSame(
    [...log.lines],
    ['error: nothing was reloaded: the files cannot be read in time', 'info: reloaded: added a']
  )
})

t.test('only a signal gets a line when nothing has changed', async (t) => {
  const log = new KeptLog()
  const reloads = new Reloads(log)
  let count = 0
  reloads.start(async () => {
    count++
    return []
  })
  reloads.filesOnChange()
  await until(() => count === 1)
  reloads.filesOnChange()
  reloads.reopen()
  reloads.filesOnChange()
  await until(() => count === 2)
  await sleep(150)
  reloads.stop()
  t.equal(count, 2)
  t.strictSame([...log.lines], ['info: reloaded: nothing has changed'])
})

t.test('a stop ends the reload that runs, and no other begins', async (t) => {
  const log = new KeptLog()
  const reloads = new Reloads(log)
  let signal: AbortSignal | undefined
  let count = 0
  reloads.start((given) => {
    count++
    signal = given
    return new Promise(() => {})
  })
  reloads.reopen()
  reloads.reopen()
  reloads.stop()
  reloads.reopen()
  t.equal(signal?.aborted, true)
  await sleep(150)
  t.equal(count, 1)
  t.strictSame([...log.lines], [])
})
