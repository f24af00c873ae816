// The recording of --record.

import { existsSync } from 'node:fs'
import t from 'tap'
import { openRecorder } from '../../lib/cli/recorder.ts'

t.test('a recorder is opened only for a file', async (t) => {
  t.equal(await openRecorder(undefined), undefined)
  const file = `${t.testdir()}/session.ndjson`
  const recorder = await openRecorder(file)
  t.ok(existsSync(file))
  await recorder?.close()
})
