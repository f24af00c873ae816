// What many specifications need: frames, transports to watch, servers to start, processes to look at.

import { readFileSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Inbox } from '../fixtures/clients/raw.js'
import type { Log } from '../lib/log.ts'
import { makeFrame } from '../lib/message/frame.ts'
import type { Frame } from '../lib/message/frame.ts'
import type { Id, Message } from '../lib/protocol/json-rpc.ts'

export const fixture = (path: string): string =>
  fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url))

/** How to start the server that misbehaves: its flags are in `fixtures/servers/rascal.js`. */
export const rascal = (...flags: string[]): { command: string; args: string[] } => ({
  command: process.execPath,
  args: [fixture('servers/rascal.js'), ...flags]
})

/** How to start a server that is a script. */
export const script = (source: string): { command: string; args: string[] } => ({
  command: process.execPath,
  args: ['-e', source]
})

export const request = (id: Id, method: string, params?: Record<string, unknown>): Frame =>
  makeFrame({ jsonrpc: '2.0', id, method, ...(params && { params }) })

export const notification = (method: string, params?: Record<string, unknown>): Frame =>
  makeFrame({ jsonrpc: '2.0', method, ...(params && { params }) })

export const response = (id: Id, result: unknown = {}): Frame =>
  makeFrame({ jsonrpc: '2.0', id, result })

/** All that a transport says, read as fast as it comes. */
export interface Watched {
  frames: Inbox<Frame>
  /** Resolves when the transport has closed, to the error that closed it. */
  closed: Promise<Error | undefined>
  /** Resolves to the response with that id. Rejects if the transport closes before it. */
  answer(id: Id): Promise<Message>
  /** Writes a request, and resolves to its response. */
  ask(method: string, params?: Record<string, unknown>): Promise<Message>
}

export function watch(transport: Duplex): Watched {
  const frames = new Inbox<Frame>()
  let failure: Error | undefined
  let lastId = 0
  transport.on('data', (frame: Frame) => frames.push(frame))
  transport.on('error', (error) => (failure = error))
  const closed = new Promise<Error | undefined>((resolve) => {
    transport.on('close', () => {
      frames.end()
      resolve(failure)
    })
  })
  const answer = async (id: Id): Promise<Message> => {
    const frame = await frames.until(({ kind, id: its }) => kind === 'response' && its === id)
    if (frame === undefined) throw failure ?? new Error('closed without an answer')
    return frame.message()
  }
  const ask = (method: string, params?: Record<string, unknown>): Promise<Message> => {
    const id = `watched-${++lastId}`
    transport.write(request(id, method, params))
    return answer(id)
  }
  return { frames, closed, answer, ask }
}

/** A log that keeps what it is told. */
export class KeptLog implements Log {
  readonly lines = new Inbox<string>()

  debug(message: string): void {
    this.lines.push(`debug: ${message}`)
  }

  info(message: string): void {
    this.lines.push(`info: ${message}`)
  }

  warn(message: string): void {
    this.lines.push(`warn: ${message}`)
  }

  error(message: string): void {
    this.lines.push(`error: ${message}`)
  }
}

/** Whether a process runs. One that has ended does not, even if nobody has noticed yet. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  try {
    // After the name, which may hold anything, comes the state.
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return true // a system without /proc
  }
}

/** Resolves when the process has ended. A test that waits in vain fails by its timeout. */
export async function ended(pid: number): Promise<void> {
  while (isRunning(pid)) await sleep(10)
}

/** The bytes in two parts, cut at each place, and at last in as many parts as there are bytes. */
export function* cuts(bytes: Buffer): Generator<Buffer[]> {
  for (let at = 0; at <= bytes.length; at++) yield [bytes.subarray(0, at), bytes.subarray(at)]
  yield Array.from(bytes, (byte) => Buffer.from([byte]))
}

/** The bytes in chunks as a pipe gives them. */
export function* chunks(bytes: Buffer, size = 64 * 1024): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
