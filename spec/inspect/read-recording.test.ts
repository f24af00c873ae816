// Recordings on the traffic page.

import { writeFileSync } from 'node:fs'
import t from 'tap'
import { readRecording } from '../../lib/inspect/read-recording.ts'
import { Traffic } from '../../lib/inspect/traffic.ts'
import { fixture } from '../helpers.ts'

t.test('all messages of a recording are there, with their times and sessions', async (t) => {
  const traffic = new Traffic(0)
  const counts = await readRecording(fixture('sessions/memory.ndjson'), traffic)
  t.equal(counts.invalid, 0)
  t.equal(traffic.ring.end, counts.read + 1, 'and one session')
  t.match(traffic.sessions, [{ session: 1, kind: 'recorded', id: /./ }])
  t.match(traffic.ring.at(1), { from: 'client', method: 'initialize', time: Number })
})

t.test('lines that are none of a recording are counted', async (t) => {
  const good = { time: '2026-01-31T12:00:00.000Z', from: 'client', session: 's'.repeat(200) }
  const ping = '{"jsonrpc":"2.0","method":"ping"}'
  const bad = [
    'x',
    '[]',
    { ...good },
    { ...good, frame: '{' },
    { ...good, frame: ping, from: 'x' },
    { ...good, frame: ping, session: 1 },
    { ...good, frame: ping, time: 'x' }
  ]
  const file = `${t.testdir()}/a`
  const lines = [...bad, { ...good, frame: ping }, { ...good, from: 'server', frame: ping }]
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)))
  writeFileSync(file, `${text.join('\r\n')}\n\n`)
  const traffic = new Traffic(0)
  t.strictSame(await readRecording(file, traffic), { read: 2, invalid: bad.length })
  t.equal(traffic.sessions[0]?.id.length, 100)
})

t.test('a file that cannot be read is an error', async (t) => {
  await t.rejects(readRecording(t.testdir(), new Traffic(0)), {
    code: 'ERR_CONFIG',
    message: /^cannot read the recording /
  })
})
