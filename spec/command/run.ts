// The command as people run it: by its name, through a shell, with programs of their own on the PATH.

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
import { fixture } from '../helpers.ts'

const entry = fileURLToPath(new URL('../../bin/mcp-proxy.js', import.meta.url))

export const demo = `node ${fixture('servers/demo.js')}`
export const rascal = `node ${fixture('servers/rascal.js')}`

/** What a client says to add two numbers, as it is piped in. */
export const addition = [
  {
    id: 1,
    method: 'initialize',
    params: {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'shell', version: '1.0.0' }
    }
  },
  { method: 'notifications/initialized' },
  { id: 2, method: 'tools/call', params: { name: 'add', arguments: { a: 1, b: 2 } } }
]
  .map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  .join('')

/** What was printed, a message a line. */
export const messagesIn = (stdout: string): Json[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

/** Programs for the PATH: what they are called → what they run, `"$@"` being their arguments. */
type Programs = Record<string, string>

export interface Shell {
  /** A directory of the test's own. */
  directory: string
  env: NodeJS.ProcessEnv
  /** Runs a command line to its end. */
  run(line: string, how?: How): Promise<Outcome>
  /** Starts one, and leaves it running. */
  start(line: string, how?: How): Running
  /** Starts one that serves. Resolves when it says that it does. */
  serve(line: string, how?: How): Promise<Serving>
  /** Starts one, as an MCP client over stdio does. */
  client(line: string, how?: How): StdioClient
}

export interface How {
  /** Said to it, and then no more. */
  input?: string | Buffer
  /** More variables of the environment. */
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
  /** Of the whole of it, with a slash at the end. */
  url: string
}

/** A shell in which `mcp-proxy` is this command, and `programs` are there as well. */
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

  const start = (line: string, { input, env: more }: How = {}): Running => {
    const child = spawn('sh', ['-c', itself(line)], { cwd: directory, env: { ...env, ...more } })
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
    run: (line, how) => start(line, { input: '', ...how }).ended,
    client: (line, how = {}) => {
      const client = stdioClient('sh', ['-c', itself(line)], {
        cwd: directory,
        env: { ...env, ...how.env }
      })
      t.teardown(() => client.kill())
      return client
    },
    serve: async (line, how) => {
      const process = start(line, how)
      const told = await process.log.until((line) => /: https?:\S* and http/.test(line))
      if (told === undefined) throw new Error(`it does not serve: ${(await process.ended).stderr}`)
      const [url] = /https?:\/\/[^/]+\//.exec(told) as unknown as [string]
      return { ...process, url }
    }
  }
}

/** Without a shell in between, which would get the signals, unless it is needed. */
const itself = (line: string): string => (line.includes('|') ? line : `exec ${line}`)
