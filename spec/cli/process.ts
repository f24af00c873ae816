// Runs the command in this process, with streams of the test in place of stdin, stdout and stderr.

import { PassThrough } from 'node:stream'
import type { Test } from 'tap'
import { Inbox } from '../../fixtures/clients/raw.js'
import type { Json } from '../../fixtures/clients/raw.js'
import { main } from '../../lib/cli/main.ts'
import type { Mode } from '../../lib/cli/main.ts'

export interface Run {
  stdin: PassThrough
  stdout: PassThrough
  /** The messages on stdout. */
  messages: Inbox<Json>
  /** The lines of stderr. */
  log: Inbox<string>
  /** Resolves to the exit code. */
  code: Promise<number>
  /** The modes that have started to serve. */
  modes: Mode[]
  /** Writes a message to stdin, as the client does. */
  say(message: object): void
}

/** Runs the command with the words of a line, or words that have spaces in them. */
export function run(t: Test, words: string | string[], env: NodeJS.ProcessEnv = {}): Run {
  const stdin = new PassThrough()
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const { PATH } = process.env
  for (const [name, value] of Object.entries({ stdin, stdout, stderr, env: { PATH, ...env } })) {
    t.intercept(process, name as 'stdin', { value })
  }
  const messages = new Inbox<Json>()
  const log = new Inbox<string>()
  eachLine(stdout, (line) => messages.push(parse(line)))
  eachLine(stderr, (line) => log.push(line))
  const argv = typeof words === 'string' ? words.split(' ') : words
  let runs = true
  const modes: Mode[] = []
  const code = main(argv, (mode) => modes.push(mode)).finally(() => {
    runs = false
    // Like the end of a process: its output can still be read.
    setImmediate(() => {
      messages.end()
      log.end()
    })
  })
  // A test that failed half-way leaves the command running. Outside of a run the signal would end this
  // process.
  t.teardown(() => {
    if (runs) stop()
    if (runs) stop()
    return code
  })
  const say = (message: object): void => {
    stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  }
  return { stdin, stdout, messages, log, code, modes, say }
}

/** Sends this process a signal to stop. */
export const stop = (): boolean => process.emit('SIGTERM')

/** Resolves to the URL that server mode logs at start, with a slash at the end. */
export async function served({ log }: Run): Promise<string> {
  const line = await log.until((line) => /: https?:\S* and http/.test(line))
  return /https?:\/\/[^/]+\//.exec(line ?? '')?.[0] as string
}

function eachLine(stream: PassThrough, onLine: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() as string
    lines.forEach(onLine)
  })
}

function parse(line: string): Json {
  try {
    return JSON.parse(line)
  } catch {
    return line
  }
}
