// Helpers for many tests: they make frames, watch a transport, start a server or a listener, keep a
// log, watch processes, wait for a condition, and cut bytes into chunks.

import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { Inbox } from '../fixtures/clients/raw.js'
import type { Log, LogContext } from '../lib/log.ts'
import { makeFrame } from '../lib/message/frame.ts'
import type { Frame } from '../lib/message/frame.ts'
import type { Id, Message } from '../lib/protocol/json-rpc.ts'

export const fixture = (path: string): string =>
  fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url))

/** The command of the server that misbehaves. `fixtures/servers/misbehaving.js` lists its flags. */
export const misbehaving = (...flags: string[]): { command: string; args: string[] } => ({
  command: process.execPath,
  args: [fixture('servers/misbehaving.js'), ...flags]
})

/** The command of a server whose source is `source`. */
export const script = (source: string): { command: string; args: string[] } => ({
  command: process.execPath,
  args: ['-e', source]
})

/** Listens on a free port of 127.0.0.1 until the test ends. Resolves to the port. */
export async function listenLocally(t: Test, server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

export const initializeParams = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'test', version: '1.0.0' }
}

export const request = (id: Id, method: string, params?: Record<string, unknown>): Frame =>
  makeFrame({ jsonrpc: '2.0', id, method, ...(params && { params }) })

export const notification = (method: string, params?: Record<string, unknown>): Frame =>
  makeFrame({ jsonrpc: '2.0', method, ...(params && { params }) })

export const response = (id: Id, result: unknown = {}): Frame =>
  makeFrame({ jsonrpc: '2.0', id, result })

export interface Watched {
  /** Every frame from the transport. */
  frames: Inbox<Frame>
  /** Resolves when the transport has closed, to the error that closed it. */
  closed: Promise<Error | undefined>
  /** Resolves to the response with this id. Rejects if the transport closes before it. */
  answer(id: Id): Promise<Message>
  /** Writes a request, and resolves to its response. */
  ask(method: string, params?: Record<string, unknown>): Promise<Message>
}

/** Reads a transport at full speed. */
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
    const frame = await frames.until((frame) => frame.kind === 'response' && frame.id === id)
    if (frame === undefined) throw failure ?? new Error('closed without a response')
    return frame.message(Infinity)
  }
  const ask = (method: string, params?: Record<string, unknown>): Promise<Message> => {
    const id = `watched-${++lastId}`
    transport.write(request(id, method, params))
    return answer(id)
  }
  return { frames, closed, answer, ask }
}

/** A log that keeps its lines in memory. */
export class KeptLog implements Log {
  readonly lines = new Inbox<string>()

  debug(message: string, context?: LogContext): void {
    this.#keep('debug', message, context)
  }

  info(message: string, context?: LogContext): void {
    this.#keep('info', message, context)
  }

  warn(message: string, context?: LogContext): void {
    this.#keep('warn', message, context)
  }

  error(message: string, context?: LogContext): void {
    this.#keep('error', message, context)
  }

  #keep(level: string, message: string, { server }: LogContext = {}): void {
    this.lines.push(`${level}: ${server === undefined ? '' : `${server}: `}${message}`)
  }
}

/** True while a process runs. An exited process counts as ended before its parent has reaped it. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  try {
    // The state follows the name in parentheses. Z (zombie) and X (dead) have exited.
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return !existsSync('/proc/self') // a system without /proc
  }
}

/** Resolves when the process has ended. If it never ends, the test's timeout fails the test. */
export async function ended(pid: number): Promise<void> {
  while (isRunning(pid)) await sleep(10)
}

/** Polls until the condition holds, for conditions that no event announces. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10)
}

/** Yields the bytes in two parts, cut at each place in turn, and at last byte by byte. */
export function* cuts(bytes: Buffer): Generator<Buffer[]> {
  for (let at = 0; at <= bytes.length; at++) yield [bytes.subarray(0, at), bytes.subarray(at)]
  yield Array.from(bytes, (byte) => Buffer.from([byte]))
}

/** Yields the bytes in chunks of the size that a pipe delivers. */
export function* chunks(bytes: Buffer, size = 64 * 1024): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
