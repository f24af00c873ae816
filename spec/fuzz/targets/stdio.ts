// The transports over stdio: to a client that writes any bytes, and to a process that prints any bytes.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { parseFrame } from '../../../lib/message/parse-frame.ts'
import type { Frame } from '../../../lib/message/frame.ts'
import { join } from '../../../lib/proxy/join.ts'
import { acceptStdio } from '../../../lib/stdio/accept-stdio.ts'
import { connectChild } from '../../../lib/stdio/connect-child.ts'
import { chunks } from '../../helpers.ts'
import { attempt, expect, target } from '../target.ts'
import type { Target } from '../target.ts'
import { EchoServer } from './echo-server.ts'
import { randomLines } from './framings.ts'

export const stdio: Target = target<{ lines: string[]; requests: number }>({
  name: 'stdio',
  share: 3,
  make: randomLines,
  async run(input) {
    const source = new PassThrough()
    const output = new PassThrough()
    const server = new EchoServer()
    const joined = join(acceptStdio({ input: source, output }), server)
    const text = output.setEncoding('utf8').toArray()
    for (const chunk of chunks(input)) {
      source.write(chunk)
      // Each chunk of a pipe comes in a turn of its own.
      if (input.length > chunk.length) await turn()
    }
    source.end()
    await joined
    const lines = (await text).join('').split('\n')
    const requests = server.received.filter((text) => attempt(() => parseFrame(Buffer.from(text))))
    return { lines, requests: requests.length }
  },
  compare(_input, { lines, requests }) {
    expect(lines.pop() === '', 'the last line does not end')
    for (const line of lines) JSON.parse(line)
    const results = lines.filter(
      (line) => line.includes('"mark":') || line.includes('"serverInfo":')
    )
    expect(results.length <= requests, 'more results than requests')
  }
})

let folder: string | undefined

/** A process takes milliseconds to start, so few inputs get one. */
export const child: Target = target<Frame[]>({
  name: 'child',
  share: 0.05,
  make: randomLines,
  async run(input) {
    folder ??= mkdtempSync(path.join(tmpdir(), 'fuzz-child-'))
    const file = path.join(folder, 'output')
    writeFileSync(file, input)
    const transport = connectChild({
      command: 'cat',
      args: [file],
      env: { PATH: process.env.PATH ?? '' },
      closeTimeout: 500
    })
    const frames: Frame[] = []
    transport.on('data', (frame: Frame) => frames.push(frame)).on('error', () => {})
    await new Promise((resolve) => transport.once('close', resolve))
    return frames
  },
  compare(_input, frames) {
    for (const frame of frames) JSON.parse(String(frame))
  },
  close() {
    if (folder !== undefined) rmSync(folder, { recursive: true })
  }
})
