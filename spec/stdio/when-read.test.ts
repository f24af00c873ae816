// When a process reads its input.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { whenRead } from '../../lib/stdio/when-read.ts'

t.test('calls back when the process reads, and not before', async (t) => {
  const command = ['-c', 'echo starts; sleep 1; exec cat']
  const child = spawn('sh', command, { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  let isRead = false
  const read = new Promise<void>((resolve) => whenRead(child.stdin, resolve)).then(
    () => (isRead = true)
  )
  await sleep(300)
  t.notOk(isRead)
  await read
  child.stdin.end()
  t.match(await text(child.stdout), /^ +$/, 'the process gets spaces only')
})

t.test('calls back for a pipe that never fills', async (t) => {
  let size = 0
  const endless = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      size += chunk.length
      callback()
    }
  })
  await new Promise<void>((resolve) => whenRead(endless, resolve))
  t.equal(size, 20_001)
})

t.test('calls back for a pipe that is broken', async () => {
  const broken = new PassThrough().on('error', () => {})
  broken.destroy()
  await new Promise<void>((resolve) => whenRead(broken, resolve))
})
