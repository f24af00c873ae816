// The accounting of a soak: each call, question, progress notification and update has the number of its
// call. What the clients saw is compared with what the servers noted in their ledger.

import { readFileSync } from 'node:fs'

/** How long a call may take, in ms. */
export const callBound = 30_000

/** One call. It keeps numbers only, because a soak makes hundreds of thousands. */
class SoakCall {
  responses = 0
  ended = false
  abandoned = false
  /** Whether a restart of the server may have destroyed an answer on its way. */
  excused = false
  delivered = false
  reason = ''
  progress = []
  asked = 0
  #end

  constructor(n, way, args) {
    this.n = n
    this.way = way
    this.args = args
    this.settled = new Promise((resolve) => (this.#end = resolve))
  }

  answered({ result, error }) {
    if (++this.responses > 1) return
    const [number, answer] = result?.content ?? []
    this.delivered = number?.text === String(this.n)
    this.reason = error?.message ?? (this.delivered ? '' : 'another response')
    this.isWrong = error === undefined && !this.delivered
    // The server repeats the client's answer to its question.
    this.answer = this.args.ask ? answer?.text : undefined
    this.#finish()
  }

  failed(reason) {
    if (this.ended) return
    this.reason = reason
    this.#finish()
  }

  lost(reason) {
    if (this.ended) return
    this.isLost = true
    this.reason = reason
    this.#finish()
  }

  abandon() {
    this.abandoned = true
    this.#finish()
  }

  progressed(number) {
    this.progress.push(number)
  }

  #finish() {
    this.ended = true
    this.#end()
  }
}

const outcomes = [
  'delivered',
  'errored',
  'duplicated',
  'lost',
  'hung',
  'out of order',
  'sent twice'
]

export class Account {
  counts = Object.fromEntries(outcomes.map((name) => [name, 0]))
  /** Way → [calls, delivered]. */
  ways = new Map()
  questions = 0
  notifications = 0
  updates = 0
  faults = []
  #last = 0
  #live = new Set()
  /** The numbers of calls that got an error, with their reason. The servers must not have answered. */
  #errored = new Map()

  begin(way, args) {
    const call = new SoakCall(++this.#last, way, args)
    this.#live.add(call)
    return call
  }

  get calls() {
    return this.#last
  }

  /** Counts the calls of a session that has ended. */
  close(calls) {
    for (const call of calls) if (this.#live.delete(call)) this.#count(call)
  }

  fault(outcome, text) {
    this.counts[outcome]++
    if (this.faults.length < 50) this.faults.push(`${outcome}: ${text}`)
  }

  #count(call) {
    const { n, way, args, progress } = call
    const name = `call ${n} over ${way} ${JSON.stringify(args)}`
    const totals = this.ways.get(way) ?? [0, 0]
    this.ways.set(way, totals)
    totals[0]++
    this.questions += call.asked
    this.notifications += progress.length
    if (call.responses > 1) this.fault('duplicated', `${name}: ${call.responses} responses`)
    else if (!call.ended) this.fault('hung', name)
    else if (call.isWrong || call.isLost) this.fault('lost', `${name}: ${call.reason}`)
    else if (call.delivered) {
      this.counts.delivered++
      totals[1]++
      const wanted = Array.from({ length: args.progress ?? 0 }, (_, i) => i + 1)
      if (progress.join() !== wanted.join())
        this.fault('out of order', `${name}: progress ${progress}`)
      if (args.ask && (call.asked !== 1 || call.answer !== String(n))) {
        this.fault('lost', `${name}: ${call.asked} questions, and the server got ${call.answer}`)
      }
    } else {
      this.counts.errored++
      if (!call.abandoned && !call.excused) this.#errored.set(n, `${name}: ${call.reason}`)
    }
  }

  /** Compares with the ledger of the servers, at the end. */
  compare(file) {
    const received = new Map()
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      const [what, text] = line.split(' ')
      const n = Number(text)
      if (what === 'received') received.set(n, (received.get(n) ?? 0) + 1)
      else if (what === 'answered' && this.#errored.has(n)) {
        this.counts.errored--
        this.fault('lost', `${this.#errored.get(n)}, although the server answered`)
      }
    }
    for (const [n, times] of received) {
      if (times > 1) this.fault('sent twice', `call ${n}: received ${times} times`)
    }
    this.close([...this.#live])
    return received.size
  }

  get isBroken() {
    return outcomes.slice(2).some((name) => this.counts[name] > 0)
  }

  toString() {
    return outcomes.map((name) => `${name} ${this.counts[name]}`).join(', ')
  }
}
