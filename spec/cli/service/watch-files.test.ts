// The watch of files.

import { renameSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { watchFiles } from '../../../lib/cli/service/watch-files.ts'
import { until } from '../../helpers.ts'

t.test('it reports a change when the file has come to rest', async (t) => {
  const file = `${t.testdir({ file: 'a' })}/file`
  let count = 0
  const end = watchFiles([file, 'nowhere'], () => count++)
  await until(() => count === 1)
  const began = performance.now()
  // Each look finds another version.
  for (let time = 0; time < 25; time++) {
    writeFileSync(file, 'a'.repeat(time))
    await sleep(100)
  }
  t.equal(count, 1)
  await until(() => count === 2)
  t.ok(performance.now() - began > 2500)
  renameSync(file, `${file}.gone`)
  await until(() => count === 3)
  end()
  writeFileSync(file, 'b')
  await sleep(2500)
  t.equal(count, 3, 'not after the end')
})

t.test('the watch can end during a look', async (t) => {
  watchFiles(['nowhere'], () => t.fail())()
  await sleep(1200)
})
