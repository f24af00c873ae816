// Metrics in Prometheus' text format, made of the facts of this process (see streams/facts.ts). The
// durations have the names and labels of OpenTelemetry's conventions for MCP, see metrics/operations.ts.
// Everything else has names that begin with `mcp_duplex_`.
//
// A message costs a few additions, and a call one entry in a histogram. The values of all labels are
// bounded, so no client and no server can make the metrics grow (see metrics/bounded.ts).

import { describe, ProxyError } from '../errors.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import type { FactClient, RefusalFact, SessionFact } from '../streams/facts.ts'
import { Calls } from './calls.ts'
import { BoundedSet } from './metrics/bounded.ts'
import { Operations } from './metrics/operations.ts'
import type { Side } from './metrics/operations.ts'
import { processMetrics } from './metrics/process-metrics.ts'
import type { Metric, MetricValue } from './metrics/metric.ts'
import { createRegistry } from './metrics/registry.ts'
import type { Registry } from './metrics/registry.ts'
import { Tallies } from './metrics/tallies.ts'
import type { Tally } from './metrics/tallies.ts'
import { defaultLabel } from './server-label.ts'
import type { ServerLabel } from './server-label.ts'
import { subscribeTo } from './subscriptions.ts'

export interface MetricsOptions {
  /**
   * The names of the durations: `server` for `mcp_server_…` (default), or `client` for `mcp_client_…` in
   * a process that stands in for one client.
   */
  side?: Side | undefined
  /** The URL of the server, if there is only one. Default: the metrics have no address. */
  url?: URL | undefined
  /** Returns the label of a server. Default: its name, and `default` for the default server. */
  labelOf?: ServerLabel | undefined
  /** Returns the state of each server, by its label. Default: no servers. */
  serverStates?: (() => Record<string, 'configured' | 'failed'>) | undefined
  /** Returns how many bytes wait in each queue. Default: no queues. */
  queues?: (() => Record<string, number>) | undefined
  /** Gets an error if a fact cannot be counted. Default: nothing is logged. */
  log?: Log | undefined
}

export interface Metrics {
  readonly contentType: string
  /** Resolves to the metrics in Prometheus' text format. */
  readonly text: () => Promise<string>
  /** Ends the subscriptions. */
  close(): void
}

/** Counts the facts of this process from now on. Call it before `listen`, which it then counts. */
export async function metrics(options: MetricsOptions = {}): Promise<Metrics> {
  return new FactMetrics(await createRegistry(), options)
}

/** How many codes of errors are kept apart. There are fewer. */
const maxCodes = 100

class FactMetrics implements Metrics {
  readonly #registry: Registry
  readonly #tallies: Tallies
  readonly #refusals = new Counts()
  readonly #errors = new Counts()
  readonly #process = processMetrics()
  readonly #unsubscribe: () => void

  constructor(registry: Registry, options: MetricsOptions) {
    const { side = 'server', url, labelOf = defaultLabel, log = silent } = options
    this.#registry = registry
    this.#tallies = new Tallies(labelOf)
    const operations = new Operations(url)
    registry.addHistogram(
      `mcp_${side}_operation_duration_seconds`,
      side === 'server'
        ? 'Time from a request until its response is sent.'
        : 'Time from a request until its response has come.',
      operations.operations
    )
    registry.addHistogram(
      `mcp_${side}_session_duration_seconds`,
      'How long sessions lasted.',
      operations.sessions
    )
    const calls = new Calls((call, response) =>
      operations.onCall(this.#tallies.of(call.client.server).label, call, response)
    )
    const sessions = new WeakSet<FactClient>()
    const onSession = (fact: SessionFact): void => {
      const { type, client } = fact
      const tally = this.#tallies.of(client.server)
      if (type === 'open') {
        calls.onOpen(fact)
        if (client.kind !== 'session') return
        tally.sessions++
        sessions.add(client)
        return
      }
      const { duration, error } = calls.onEnd(fact)
      // A session may have opened before the metrics began.
      if (!sessions.delete(client)) return
      tally.sessions--
      operations.onSession(tally.label, client, duration, error)
    }
    this.#unsubscribe = subscribeTo(
      {
        session: onSession,
        message: (fact) => {
          this.#tallies.onMessage(fact)
          const { failure } = fact.frame
          if (failure !== undefined) this.#errors.add(failure.code)
          calls.onMessage(fact)
        },
        refusal: (fact) => this.#onRefusal(fact),
        process: (fact) => this.#tallies.onProcess(fact),
        restart: ({ server }) => this.#tallies.onRestart(server)
      },
      (error) => log.error(`a fact is not in the metrics: ${describe(error)}`)
    )
    const asked = this.#asked(options, () => calls.inFlight)
    for (const metric of [...this.#counted(), ...asked, ...this.#process.metrics]) {
      registry.add(metric)
    }
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  readonly text = async (): Promise<string> => {
    const text = await this.#registry.text()
    this.#process.wereRead()
    return text
  }

  close(): void {
    this.#unsubscribe()
    this.#process.stop()
  }

  #onRefusal({ error }: RefusalFact): void {
    this.#refusals.add(error instanceof ProxyError ? error.code : 'ERR_INTERNAL')
  }

  /** What is counted for each server, and by the code of an error. */
  #counted(): Metric[] {
    const each = (
      name: string,
      help: string,
      type: Metric['type'],
      read: (tally: Tally) => MetricValue[]
    ): Metric => ({
      name: `mcp_duplex_${name}`,
      help,
      type,
      values: () =>
        this.#tallies.all.flatMap((tally) =>
          read(tally).map(([labels, value]): MetricValue => [
            { server: tally.label, ...labels },
            value
          ])
        )
    })
    const way = (received: number, sent: number): MetricValue[] => [
      [{ direction: 'in' }, received],
      [{ direction: 'out' }, sent]
    ]
    return [
      each('sessions', 'Open sessions.', 'gauge', ({ sessions }) => [[{}, sessions]]),
      each('messages_total', 'Messages from (in) and to (out) clients.', 'counter', (tally) =>
        way(tally.messagesIn, tally.messagesOut)
      ),
      each('message_bytes_total', 'Their size in bytes.', 'counter', (tally) =>
        way(tally.bytesIn, tally.bytesOut)
      ),
      each('processes', 'Running processes of servers.', 'gauge', (tally) => [
        [{}, tally.processes]
      ]),
      each('process_starts_total', 'Started processes.', 'counter', ({ starts }) => [[{}, starts]]),
      each('process_exits_total', 'Ended processes, by their ends.', 'counter', ({ exits }) =>
        Object.entries(exits).map(([exit, count]): MetricValue => [{ exit }, count])
      ),
      each(
        'restarts_total',
        'Servers started again within a session, and connections made again.',
        'counter',
        ({ restarts }) => [[{}, restarts]]
      ),
      {
        name: 'mcp_duplex_refusals_total',
        help: 'Refused HTTP requests, connections and invalid messages.',
        type: 'counter',
        values: () => this.#refusals.values
      },
      {
        name: 'mcp_duplex_errors_total',
        help: 'Error responses that the proxy itself has made.',
        type: 'counter',
        values: () => this.#errors.values
      }
    ]
  }

  /** What is asked for when the metrics are read. */
  #asked({ serverStates, queues }: MetricsOptions, inFlight: () => number): Metric[] {
    return [
      {
        name: 'mcp_duplex_calls_in_flight',
        help: 'Requests without a response.',
        type: 'gauge',
        values: () => [[{}, inFlight()]]
      },
      {
        name: 'mcp_duplex_server_up',
        help: '0 if the last start of the server has failed.',
        type: 'gauge',
        values: () =>
          Object.entries(serverStates?.() ?? {}).map(([server, state]): MetricValue => [
            { server },
            state === 'failed' ? 0 : 1
          ])
      },
      {
        name: 'mcp_duplex_queue_bytes',
        help: 'Bytes that wait in the queues of the proxy.',
        type: 'gauge',
        values: () =>
          Object.entries(queues?.() ?? {}).map(([queue, size]): MetricValue => [{ queue }, size])
      }
    ]
  }
}

/** Counts by the code of an error. */
class Counts {
  readonly #codes = new BoundedSet(maxCodes)
  readonly #counts = new Map<string, number>()

  add(code: string): void {
    const label = this.#codes.labelOf(code)
    this.#counts.set(label, (this.#counts.get(label) ?? 0) + 1)
  }

  get values(): MetricValue[] {
    return [...this.#counts].map(([code, count]) => [{ code }, count])
  }
}
