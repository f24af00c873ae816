// What is counted for each server. The counts are plain numbers, so a message costs an addition. The
// metrics read them when they are asked for.

import type { MessageFact, ProcessFact } from '../../streams/facts.ts'
import type { ServerLabel } from '../server-label.ts'
import { other } from './bounded.ts'

export interface Tally {
  /** The name of the server as a label. */
  readonly label: string
  sessions: number
  messagesIn: number
  messagesOut: number
  bytesIn: number
  bytesOut: number
  processes: number
  starts: number
  exits: Record<Exit, number>
  restarts: number
}

/** How a process ended: with code 0, with another code, or by a signal. */
export type Exit = 'ok' | 'error' | 'signal'

/** How many servers are kept apart. */
const maxServers = 200

export class Tallies {
  readonly #labelOf: ServerLabel
  readonly #byServer = new Map<string, Tally>()
  /** That of all servers that are not kept apart. */
  #others: Tally | undefined

  constructor(labelOf: ServerLabel) {
    this.#labelOf = labelOf
  }

  get all(): Tally[] {
    return [...this.#byServer.values(), ...(this.#others === undefined ? [] : [this.#others])]
  }

  /** @param server the name of a server, `''` for the default server */
  of(server: string): Tally {
    return this.#byServer.get(server) ?? this.#add(server)
  }

  onMessage({ client, from, frame, delivered }: MessageFact): void {
    const tally = this.of(client.server)
    const { length } = frame.bytes
    if (from === 'client') {
      tally.messagesIn++
      tally.bytesIn += length
    } else if (delivered) {
      tally.messagesOut++
      tally.bytesOut += length
    }
  }

  onProcess({ type, server, exitCode, signal }: ProcessFact): void {
    if (type === 'stderr') return
    const tally = this.of(server)
    if (type === 'start') {
      tally.processes++
      tally.starts++
      return
    }
    tally.processes--
    tally.exits[typeof signal === 'string' ? 'signal' : exitCode === 0 ? 'ok' : 'error']++
  }

  onRestart(server: string): void {
    this.of(server).restarts++
  }

  #add(server: string): Tally {
    if (this.#byServer.size >= maxServers) return (this.#others ??= newTally(other))
    const tally = newTally(this.#labelOf(server))
    this.#byServer.set(server, tally)
    return tally
  }
}

const newTally = (label: string): Tally => ({
  label,
  sessions: 0,
  messagesIn: 0,
  messagesOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  processes: 0,
  starts: 0,
  exits: { ok: 0, error: 0, signal: 0 },
  restarts: 0
})
