// The recording that --record asks for.

import { existsSync } from 'node:fs'
import t from 'tap'
import { openRecorder } from '../../lib/cli/recorder.ts'

t.test('there is one if there is to be one', async (t) => {
  t.equal(await openRecorder(undefined), undefined)
  const file = `${t.testdir()}/session.ndjson`
  const recorder = await openRecorder(file)
  t.ok(existsSync(file))
  await recorder?.close()
})
