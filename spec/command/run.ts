// Runs the built command as a user does: by its name, in a shell, with other programs on the PATH. Each
// `openShell` makes a temporary directory that holds these programs and is the working directory.

import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { Inbox, stdioClient } from '../../fixtures/clients/raw.js'
import type { Json, StdioClient } from '../../fixtures/clients/raw.js'
import { fixture, initializeParams } from '../helpers.ts'

const entry = fileURLToPath(new URL('../../bin/mcp-proxy.js', import.meta.url))

export const demo = `node ${fixture('servers/demo.js')}`
export const misbehaving = `node ${fixture('servers/misbehaving.js')}`

/** A call of the demo's tool `add`, and the response that matches it. */
export const add = { name: 'add', arguments: { a: 1, b: 2 } }
export const three = { result: { content: [{ type: 'text', text: '3' }] } }

/** Input for stdin: a client opens a session with the demo and calls `add`. */
export const addition = [
  { id: 1, method: 'initialize', params: initializeParams },
  { method: 'notifications/initialized' },
  { id: 2, method: 'tools/call', params: add }
]
  .map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  .join('')

/** Parses output with one JSON value a line. */
export const messagesIn = (stdout: string): Json[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

/** Programs for the PATH: name → command line, in which `"$@"` stands for the arguments. */
type Programs = Record<string, string>

export interface Shell {
  /** The working directory, a temporary one. */
  directory: string
  env: NodeJS.ProcessEnv
  /** Runs a command line to its end. */
  run(line: string, options?: RunOptions): Promise<Outcome>
  /** Starts a command line. It is killed at the end of the test. */
  start(line: string, options?: RunOptions): Running
  /** Starts server mode. Resolves when the log shows its URL. */
  serve(line: string, options?: RunOptions): Promise<Serving>
  /** Starts client mode. The result is the client at its stdin and stdout. */
  client(line: string, options?: RunOptions): StdioClient
}

export interface RunOptions {
  /** All of stdin. Without it, stdin stays open for `start`, and is empty for `run`. */
  input?: string | Buffer
  /** More environment variables. */
  env?: NodeJS.ProcessEnv
}

export interface Outcome {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface Running {
  child: ChildProcessByStdio<Writable, Readable, Readable>
  pid: number
  /** The lines of stderr. */
  log: Inbox<string>
  ended: Promise<Outcome>
  kill(signal?: NodeJS.Signals): Promise<Outcome>
}

export interface Serving extends Running {
  /** The base URL, with a slash at the end. */
  url: string
}

/** Puts `mcp-proxy` and `programs` on the PATH of a shell. */
export function openShell(t: Test, programs: Programs = {}): Shell {
  const directory = mkdtempSync(join(tmpdir(), 'mcp-proxy-'))
  const running = new Set<Running>()
  t.teardown(async () => {
    await Promise.all([...running].map(({ kill }) => kill()))
    rmSync(directory, { recursive: true })
  })
  for (const [name, line] of Object.entries({ 'mcp-proxy': `node ${entry} "$@"`, ...programs })) {
    const file = join(directory, name)
    writeFileSync(file, `#!/bin/sh\nexec ${line}\n`)
    chmodSync(file, 0o755)
  }
  const { HOME, PATH = '' } = process.env
  const env = { HOME, PATH: directory + delimiter + PATH }

  const start = (line: string, { input, env: more }: RunOptions = {}): Running => {
    const child = spawn('sh', ['-c', withExec(line)], { cwd: directory, env: { ...env, ...more } })
    child.stdin.on('error', () => {})
    if (input !== undefined) child.stdin.end(input)
    const log = new Inbox<string>()
    let stdout = ''
    let stderr = ''
    let rest = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      const lines = (rest + text).split('\n')
      rest = lines.pop() as string
      log.push(...lines)
    })
    const ended = new Promise<Outcome>((resolve) => {
      child.once('close', (code, signal) => {
        running.delete(process)
        log.end()
        resolve({ code, signal, stdout, stderr })
      })
    })
    const kill = (signal: NodeJS.Signals = 'SIGTERM'): Promise<Outcome> => {
      child.kill(signal)
      return ended
    }
    const process: Running = { child, pid: child.pid as number, log, ended, kill }
    running.add(process)
    return process
  }

  return {
    directory,
    env,
    start,
    run: (line, options) => start(line, { input: '', ...options }).ended,
    client: (line, options = {}) => {
      const client = stdioClient('sh', ['-c', withExec(line)], {
        cwd: directory,
        env: { ...env, ...options.env }
      })
      t.teardown(() => client.kill())
      return client
    },
    serve: async (line, options) => {
      const process = start(line, options)
      const logged = await process.log.until((line) => /: https?:\S* and http/.test(line))
      if (logged === undefined) throw new Error(`no URL in: ${(await process.ended).stderr}`)
      const [url] = /https?:\/\/[^/]+\//.exec(logged) as unknown as [string]
      return { ...process, url }
    }
  }
}

/** Makes the shell replace itself by the command, which then gets our signals. A pipe needs the shell. */
const withExec = (line: string): string => (line.includes('|') ? line : `exec ${line}`)
