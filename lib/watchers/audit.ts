// The audit log: a file with a line of JSON for each session that opens or ends, for each call, and for
// each request that is refused. It has who called what, when, and how it ended. It has no arguments, no
// results and no tokens.
//
// It subscribes to the facts of the whole process (see streams/facts.ts), so it changes no path of the
// messages. A line waits in memory until it is written. If the disk is full or too slow, the audit log
// stops with an error in the log, and messages still pass.

import { describe } from '../errors.ts'
import { LineFile, timestamp } from '../line-file.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import type { FactClient, MessageFact, RefusalFact, SessionFact } from '../streams/facts.ts'
import { Calls, targetOf } from './calls.ts'
import type { EndedCall, Outcome } from './calls.ts'
import { defaultLabel } from './server-label.ts'
import type { ServerLabel } from './server-label.ts'
import { subscribeTo } from './subscriptions.ts'

/** A line of an audit log. A member without a value is left out. */
export interface AuditLine {
  /** The time of the line, in ISO 8601 and UTC. A call or a session began `duration` ms before. */
  time: string
  event: 'open' | 'call' | 'refusal' | 'end'
  /** The principal of the client's token. */
  principal?: string | undefined
  /** The address of the client. */
  address?: string | undefined
  /** The label of the server. */
  server?: string | undefined
  /** The first 8 characters of the session's id. */
  session?: string | undefined
  method?: string | undefined
  /** The name of the tool or the prompt, or the URI of the resource without its query. */
  name?: string | undefined
  /** The refused HTTP request: its method and its path. */
  request?: string | undefined
  /** In ms. */
  duration?: number | undefined
  outcome: Outcome | 'refused'
  /** The code of the JSON-RPC error, or that of a `ProxyError`. */
  error?: number | string | undefined
  bytesIn?: number | undefined
  bytesOut?: number | undefined
}

export interface Audit {
  /** Whether lines are written. False after a failure, until `reopen` succeeds. */
  readonly isWritable: boolean
  /** How many bytes wait until they are written. */
  readonly waiting: number
  /** Opens the file again by its name: a program that rotates files has renamed the old one. */
  reopen(): Promise<void>
  /** Ends the audit log. Resolves when all lines are in the file. */
  close(): Promise<void>
}

export interface AuditOptions {
  /** Returns the label of a server. Default: its name, and `default` for the default server. */
  labelOf?: ServerLabel | undefined
  /** Gets an error when the file cannot be written. Default: nothing is logged. */
  log?: Log | undefined
}

/** How many bytes may wait for the disk before the next line. */
const maxWaiting = 16 * 1024 * 1024
/** The longest text of a member. Longer ones are cut. */
const maxText = 256

/**
 * Writes an audit log of all listeners of this process to a file, or to stdout (`-`). Only the owner can
 * read the file. If it exists, lines are appended to it. A symbolic link is not followed.
 *
 * @throws ProxyError `ERR_CONFIG` when the file cannot be opened
 */
export async function audit(file: string, options: AuditOptions = {}): Promise<Audit> {
  const { labelOf = defaultLabel, log = silent } = options
  const opened = await LineFile.open(file, { what: 'audit log', log, maxWaiting })
  return new FileAudit(opened, labelOf, log)
}

class FileAudit implements Audit {
  readonly #file: LineFile
  readonly #calls = new Calls((call) => this.#onCall(call))
  readonly #labelOf: ServerLabel
  readonly #unsubscribe: () => void

  constructor(file: LineFile, labelOf: ServerLabel, log: Log) {
    this.#file = file
    this.#labelOf = labelOf
    const listeners = {
      session: (fact: SessionFact) => this.#onSession(fact),
      message: (fact: MessageFact) => this.#calls.onMessage(fact),
      refusal: (fact: RefusalFact) => this.#onRefusal(fact)
    }
    this.#unsubscribe = subscribeTo(listeners, (error) => {
      log.error(`a fact is not in the audit log: ${describe(error)}`)
    })
  }

  get isWritable(): boolean {
    return this.#file.isWritable
  }

  get waiting(): number {
    return this.#file.waiting
  }

  reopen(): Promise<void> {
    return this.#file.reopen()
  }

  async close(): Promise<void> {
    this.#unsubscribe()
    await this.#file.close()
  }

  #onSession(fact: SessionFact): void {
    const { type, client } = fact
    if (type === 'open') {
      this.#calls.onOpen(fact)
      if (hasSession(client)) this.#write({ event: 'open', ...this.#about(client), outcome: 'ok' })
      return
    }
    const { duration, outcome, error, bytesIn, bytesOut } = this.#calls.onEnd(fact)
    if (!hasSession(client)) return
    const end = { duration: rounded(duration), outcome, error, bytesIn, bytesOut }
    this.#write({ event: 'end', ...this.#about(client), ...end })
  }

  #onCall({ client, duration, ...call }: EndedCall): void {
    const { method, name, outcome, error, bytesIn, bytesOut } = call
    const target = { method: clip(method), name: clip(name) }
    const end = { duration: rounded(duration), outcome, error, bytesIn, bytesOut }
    this.#write({ event: 'call', ...this.#about(client), ...target, ...end })
  }

  #onRefusal({ error, frame, httpMethod, path, ...client }: RefusalFact): void {
    const { method, name } = frame === undefined ? {} : targetOf(frame)
    this.#write({
      event: 'refusal',
      ...this.#about(client),
      method: clip(method),
      name: clip(name),
      request: httpMethod === undefined ? undefined : clip(`${httpMethod} ${path}`),
      outcome: 'refused',
      error: error.code,
      bytesIn: frame?.bytes.length
    })
  }

  #about(client: Omit<RefusalFact, 'error'> | FactClient): Who {
    const { principal, address, server, session } = client
    const isPost = 'kind' in client && !hasSession(client)
    return {
      principal: clip(principal),
      address: address === '' ? undefined : address,
      server: server === undefined ? undefined : clip(this.#labelOf(server)),
      session: isPost ? undefined : session?.slice(0, 8)
    }
  }

  #write(line: Omit<AuditLine, 'time'>): void {
    if (!this.#file.isWritable) return
    const whole: AuditLine = { time: timestamp(), ...line }
    this.#file.write(JSON.stringify(whole))
  }
}

/** A client without a session is one POST. Its call says everything about it. */
const hasSession = ({ kind }: FactClient): boolean => kind === 'session'

type Who = Pick<AuditLine, 'principal' | 'address' | 'server' | 'session'>

const clip = (text: string | undefined): string | undefined =>
  text === undefined || text.length <= maxText ? text : `${text.slice(0, maxText)}…`

const rounded = (duration: number): number => Math.round(duration * 10) / 10
