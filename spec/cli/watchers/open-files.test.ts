// The files of --record and --audit.

import { existsSync } from 'node:fs'
import t from 'tap'
import { openAudit, openRecorder } from '../../../lib/cli/watchers/open-files.ts'
import { silent } from '../../../lib/log.ts'

t.test('a recorder is opened only for a file', async (t) => {
  t.equal(await openRecorder(undefined, silent), undefined)
  const file = `${t.testdir()}/session.ndjson`
  const recorder = await openRecorder(file, silent)
  t.ok(existsSync(file))
  await recorder?.close()
})

t.test('an audit log is opened only for a file', async (t) => {
  t.equal(await openAudit(undefined, { log: silent }), undefined)
  const file = `${t.testdir()}/audit.ndjson`
  const audit = await openAudit(file, { log: silent })
  t.ok(existsSync(file))
  await audit?.close()
})
