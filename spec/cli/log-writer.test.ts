// The log's way to stderr: bounded, and indifferent to a reader that is slow or gone.

import { Writable } from 'node:stream'
import t from 'tap'
import { LogWriter } from '../../lib/cli/log-writer.ts'

/** Takes nothing before `open` is called. */
class SlowOutput extends Writable {
  readonly lines: string[] = []
  #isOpen = false
  #waiting: (() => void) | undefined

  open(): void {
    this.#isOpen = true
    this.#waiting?.()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.lines.push(...chunk.toString().split('\n').filter(Boolean))
    if (this.#isOpen) callback()
    else this.#waiting = callback
  }
}

t.test('lines go out in order, each with a line break', async (t) => {
  const output = new SlowOutput()
  output.open()
  const writer = new LogWriter(() => output)
  writer.write('one')
  writer.write('two')
  await new Promise(setImmediate)
  t.strictSame(output.lines, ['one', 'two'])
})

t.test('lines are dropped while a mebibyte waits, and counted after', async (t) => {
  const output = new SlowOutput()
  const writer = new LogWriter(() => output)
  const line = 'x'.repeat(1023)
  for (let i = 0; i < 5000; i++) writer.write(line)
  t.ok(output.writableLength <= 1024 * 1024 + 2048, `${output.writableLength} bytes wait`)
  output.open()
  await new Promise(setImmediate)
  writer.write('after')
  await new Promise(setImmediate)
  const kept = output.lines.length - 2
  t.equal(output.lines.at(-1), 'after')
  t.match(output.lines.at(-2), `(${5000 - kept} lines dropped: nobody read the log)`)
})

t.test('a reader that left is ignored', async (t) => {
  const output = new Writable({
    write: (_chunk, _encoding, callback) => callback(new Error('EPIPE'))
  })
  const writer = new LogWriter(() => output)
  writer.write('one')
  await new Promise(setImmediate)
  t.ok(output.destroyed)
  writer.write('two')
  await new Promise(setImmediate)
})
