// Failing without losing what was said before.

import { Duplex } from 'node:stream'
import t from 'tap'
import { failAfterReading } from '../../lib/streams/fail-after-reading.ts'
import { response, watch } from '../helpers.ts'

const transport = (): Duplex =>
  new Duplex({ objectMode: true, read() {}, write: (_frame, _encoding, callback) => callback() })

const failure = new Error('failed')

t.test('what was said before is read before the failure', async (t) => {
  const stream = transport()
  for (let id = 0; id < 100; id++) stream.push(response(id))
  failAfterReading(stream, failure)
  t.notOk(stream.destroyed)
  const { frames, closed } = watch(stream)
  t.equal(await closed, failure)
  t.equal(frames.length, 100)
})

t.test('what has been read to its end fails at once', async (t) => {
  const stream = transport()
  const { closed } = watch(stream)
  stream.push(null)
  await new Promise((resolve) => stream.once('end', resolve))
  failAfterReading(stream, failure)
  t.ok(stream.destroyed)
  t.equal(await closed, failure)
})

t.test('what is destroyed already stays as it is', async (t) => {
  const stream = transport()
  const { closed } = watch(stream)
  stream.destroy()
  failAfterReading(stream, failure)
  t.equal(await closed, undefined)
})
