// The recording of --record.

import { existsSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { onHangup, openAudit, openRecorder } from '../../lib/cli/recorder.ts'
import { silent } from '../../lib/log.ts'

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

t.test('SIGHUP reopens the recording, unless the process has a terminal', async (t) => {
  let count = 0
  const reopen = (): Promise<void> => {
    count++
    return Promise.resolve()
  }
  const recorder = { reopen, close: reopen }
  for (const name of ['stdin', 'stdout', 'stderr'] as const) {
    t.intercept(process, name, { value: new PassThrough() as never })
  }
  t.equal(onHangup(undefined), undefined)
  onHangup(recorder)?.()
  t.equal(count, 1)
  onHangup(undefined, recorder, { reopen })?.()
  t.equal(count, 3, 'it opens each file')
  for (const name of ['stdin', 'stdout', 'stderr'] as const) {
    const terminal = Object.assign(new PassThrough(), { isTTY: true })
    const intercepted = t.intercept(process, name, { value: terminal as never })
    t.equal(onHangup(recorder), undefined, name)
    intercepted.restore()
  }
})
