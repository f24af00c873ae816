// Finds out the era of a server on a transport that no client uses.
//
// A process that starts slowly says nothing about its era. So the probe first waits until the process
// reads its input, and only then limits the time for a response. A process that answers nothing, or
// exits, is legacy, because legacy servers need not answer an unknown method, and some exit.
//
// The verdict comes only when the process of the probe is gone, or when it can be used further. So a
// server that locks a file never runs twice because of a probe.

import type { Duplex } from 'node:stream'
import { ProxyError } from '../errors.ts'
import { discover } from './discover.ts'
import type { Era } from './discover.ts'

export interface ProbeOptions {
  /** How long the server may take until it reads, or a remote server until it answers, in ms. */
  connectTimeout: number
  /** How long a process that reads may take to answer, in ms (0: no limit). */
  probeTimeout: number
}

export interface Verdict {
  era: Era
  /** The probed transport, if the server still runs. Nobody reads it now. */
  server: Duplex | undefined
}

/** A transport to a process: it can say when the process reads. */
type ProcessTransport = Duplex & { whenReading(): Promise<void> }

const isProcess = (server: Duplex): server is ProcessTransport => 'whenReading' in server

/**
 * Probes the server, and destroys it if it cannot be used further.
 *
 * @throws ProxyError the error that says why the server could not answer. Then its era is not known
 */
export async function probe(server: Duplex, options: ProbeOptions): Promise<Verdict> {
  server.on('error', ignore) // `gone` and `ask` read the error when the server closes
  try {
    const timeout = isProcess(server) ? options.probeTimeout : options.connectTimeout
    if (isProcess(server)) await atMost(options.connectTimeout, server.whenReading())
    if (server.destroyed)
      throw server.errored ?? new ProxyError('ERR_CLOSED', 'the server has closed')
    return { era: await discover(server, timeout), server }
  } catch (error) {
    await gone(server)
    if (isProcess(server) && isLegacyBehaviour(error, server)) {
      return { era: 'legacy', server: undefined }
    }
    throw failureOf(error)
  }
}

const ignore = (): void => {}

/** Whether the process exited after its start, or stayed silent although it read. */
function isLegacyBehaviour(error: unknown, server: Duplex): boolean {
  if (error instanceof NotReadingError) return false
  const { code } = error as ProxyError
  return (
    code === 'ERR_TIMEOUT' || (server.errored as ProxyError | null)?.code === 'ERR_SERVER_EXITED'
  )
}

/** Resolves when the transport has closed. Then its process has exited. */
export function gone(server: Duplex): Promise<void> {
  return new Promise((resolve) => {
    if (server.closed) resolve()
    else server.once('close', resolve).destroy()
  })
}

/** The error of a process that did not begin to read in time. */
class NotReadingError extends ProxyError {
  constructor() {
    super('ERR_TIMEOUT', 'the server took too long to start (see --connect-timeout)')
  }
}

async function atMost(time: number, promise: Promise<void>): Promise<void> {
  if (time === 0) return promise
  let timer: NodeJS.Timeout | undefined
  const timeUp = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new NotReadingError()), time)
  })
  await Promise.race([promise, timeUp]).finally(() => clearTimeout(timer))
}

/** The cause says more than the error of `ask`, which only says that the server closed. */
function failureOf(error: unknown): unknown {
  const { cause } = error as Error
  return cause instanceof ProxyError ? cause : error
}
