// When a process reads its input.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { whenRead } from '../../lib/stdio/when-read.ts'

t.test('calls back when the process reads, and not before', async (t) => {
  const source = `process.stdin.pause()
    process.on('SIGUSR2', () => process.stdin.once('data', (data) => {
      console.log(JSON.stringify(String(data)))
      process.exit()
    }))
    console.log('ready')`
  const child = spawn(process.execPath, ['-e', source], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.on('error', () => {}) // the process exits without reading the rest
  await once(child.stdout, 'data')
  let isRead = false
  const read = new Promise<void>((resolve) => whenRead(child.stdin, resolve)).then(
    () => (isRead = true)
  )
  await sleep(300)
  t.notOk(isRead)
  child.kill('SIGUSR2')
  const [output] = (await once(child.stdout, 'data')) as [Buffer]
  t.match(output.toString(), /^" +"\n$/, 'the process gets spaces only')
  await read
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
