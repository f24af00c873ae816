// The accounting of calls. Each call has a number. The ledger knows what became of it at the client, and
// reads from the servers' file which calls arrived, and how often, and which answers were written.

import { appendFileSync, readFileSync } from 'node:fs'

export const outcomes = [
  'delivered',
  'errored',
  'duplicated',
  'lost',
  'hung',
  'leaked',
  'sent twice'
]

/** One call, and what its client saw. */
export class Call {
  answers = []
  failure
  ended = false
  /** Whether the client has given the call up. */
  abandoned = false
  /** Whether the answer may get lost, because nothing can bring it to the client. */
  excused = false
  /** Whether the call did not end within its bound. */
  late = false
  /** The reason if it ended without a response, although its connection ended well. */
  unanswered
  #start = performance.now()
  #seconds = ''
  #end

  constructor(n, args) {
    this.n = n
    this.args = args
    this.settled = new Promise((resolve) => (this.#end = resolve))
  }

  answered(message) {
    this.answers.push(message)
    this.#finish()
  }

  failed(reason) {
    if (this.ended) return
    this.failure = reason
    this.#finish()
  }

  lost(reason) {
    if (this.ended) return
    this.unanswered = reason
    this.#finish()
  }

  abandon() {
    this.abandoned = true
    this.#finish()
  }

  #finish() {
    if (!this.ended) this.#seconds = ((performance.now() - this.#start) / 1000).toFixed(1)
    this.ended = true
    this.#end()
  }

  get delivered() {
    const [answer] = this.answers
    return answer?.result?.content?.[0]?.text === String(this.n)
  }

  /** Returns [outcome, detail]. */
  get outcome() {
    const [answer] = this.answers
    if (this.answers.length > 1) return ['duplicated', `${this.answers.length} responses`]
    if (this.late) return ['hung', this.ended ? `ended after ${this.#seconds} s` : 'no end']
    if (this.delivered) return ['delivered']
    if (answer !== undefined && answer.error === undefined) {
      return ['lost', `another response: ${JSON.stringify(answer).slice(0, 200)}`]
    }
    if (answer !== undefined) return ['errored', answer.error.message]
    if (this.unanswered !== undefined) return ['lost', this.unanswered]
    if (this.abandoned || this.failure !== undefined) return ['errored', this.failure]
    return ['hung', 'no end']
  }
}

export class Ledger {
  calls = []
  file

  constructor(file) {
    this.file = file
    appendFileSync(file, '')
  }

  begin(args) {
    const call = new Call(this.calls.length + 1, args)
    this.calls.push(call)
    return call
  }

  note = (what, n) => appendFileSync(this.file, `${what} ${n}\n`)

  /** What the servers noted: [received, answered], each a map of numbers to how often. */
  read() {
    const noted = { received: new Map(), answered: new Map() }
    for (const line of readFileSync(this.file, 'utf8').split('\n')) {
      const [what, n] = line.split(' ')
      noted[what]?.set(Number(n), (noted[what].get(Number(n)) ?? 0) + 1)
    }
    return noted
  }

  /**
   * Returns { counts, faults }: how many calls have each outcome, and a text for each fault.
   * @param excused whether an answer that a server has written may get lost, with the proxy itself
   */
  account(excused = false) {
    const counts = Object.fromEntries(outcomes.map((name) => [name, 0]))
    const faults = []
    const { received, answered } = this.read()
    for (const call of this.calls) {
      let [outcome, detail] = call.outcome
      if (
        outcome === 'errored' &&
        answered.has(call.n) &&
        !excused &&
        !call.abandoned &&
        !call.excused
      ) {
        ;[outcome, detail] = ['lost', `the server answered, the client got: ${detail}`]
      }
      counts[outcome]++
      const args = JSON.stringify(call.args)
      if (outcome !== 'delivered' && outcome !== 'errored') {
        faults.push(`call ${call.n} ${args}: ${outcome}: ${detail}`)
      }
      if (received.get(call.n) > 1) {
        counts['sent twice']++
        faults.push(`call ${call.n} ${args}: the servers received it ${received.get(call.n)} times`)
      }
    }
    return { counts, faults }
  }
}
