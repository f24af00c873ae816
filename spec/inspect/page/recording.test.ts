// What the traffic page saves.

import t from 'tap'
import { toRecording } from '../../../lib/inspect/page/model/recording.ts'
import { entry, session } from '../entries.ts'
import { parseRecording } from '../texts.js'

t.test('messages are lines of a recording, and parts of messages are left out', async (t) => {
  const sessions = [session(), session({ session: 2, kind: 'recorded', id: 'stdio-1' })]
  const { lines, left } = toRecording(
    [
      entry({ time: 1000.5 }),
      entry({ session: 2, from: 'server', text: '{"a": 1.0}' }),
      entry({ session: 3 }),
      entry({ cut: true }),
      { seq: 1, time: 0, type: 'stderr', server: '', pid: 1, command: 'x', line: 'y' }
    ],
    (number) => sessions.find(({ session }) => session === number)
  )
  t.equal(left, 1)
  t.strictSame(parseRecording(lines.join('')), [
    {
      time: '1970-01-01T00:00:01.000Z',
      from: 'client',
      session: 'abcdefgh-1',
      frame: entry().text
    },
    { time: '1970-01-01T00:00:00.000Z', from: 'server', session: 'stdio-1', frame: '{"a": 1.0}' },
    { time: '1970-01-01T00:00:00.000Z', from: 'client', session: '-3', frame: entry().text }
  ])
})
