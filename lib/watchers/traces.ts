// Traces: a span for each call of a client, with the names and attributes of OpenTelemetry's conventions
// for MCP (semantic-conventions-genai, docs/gen-ai/mcp.md). The spans go to the SDK that the operator has
// registered at `@opentelemetry/api`.
//
// A call has one span. In server mode it is of the kind SERVER, in client mode of the kind CLIENT, for the
// reasons in metrics/operations.ts. Its parent is the trace context in `params._meta`, else that in the
// HTTP headers. With `move`, the headers win, and the message goes on with the span as its trace context.

import type {
  Context,
  ProxyTracerProvider,
  Span,
  SpanContext,
  TracerProvider
} from '@opentelemetry/api'
import { describe, describeToClients } from '../errors.ts'
import { stringAt } from '../json/find-value.ts'
import { silent } from '../log.ts'
import type { Log } from '../log.ts'
import { originalOf } from '../message/client-requests.ts'
import type { Frame } from '../message/frame.ts'
import {
  chosen,
  contextIn,
  contextOf,
  moveToMeta,
  parseParent,
  withContext
} from '../message/trace-context.ts'
import type { Headers, Trace, TraceContext } from '../message/trace-context.ts'
import type { RefusalFact } from '../streams/facts.ts'
import { version } from '../version.ts'
import { Calls } from './calls.ts'
import type { EndedCall } from './calls.ts'
import { codeLabel } from './metrics/bounded.ts'
import { errorTypeOf } from './metrics/operations.ts'
import { subscribeTo } from './subscriptions.ts'
import { clientAttributes, maxText, openingOf } from './traces/attributes.ts'
import { loadApi } from './traces/load-api.ts'
import type { Api } from './traces/load-api.ts'
import { Versions } from './versions.ts'

export interface TracesOptions {
  /** The kind of the spans: `server` (default), or `client` in a process that stands in for one client. */
  side?: 'server' | 'client' | undefined
  /** The URL of the server, if there is only one. Default: the spans have no address. */
  url?: URL | undefined
  /** Whether each message goes on with its span as the trace context in `params._meta` (default false). */
  move?: boolean | undefined
  /** Gets an error if a fact cannot be traced. Default: nothing is logged. */
  log?: Log | undefined
}

export interface Traces {
  /** For the option `trace` of `listen` and `acceptStdio`. */
  readonly trace: Trace
  /**
   * Ends the subscriptions. Spans of calls in flight do not end. Resolves when the SDK has exported its
   * spans, after a second at the latest.
   */
  close(): Promise<void>
}

/** What an SDK has. Without an SDK, there is none. */
interface Flushable {
  forceFlush?: () => Promise<void>
}

/** How long the SDK may take to export its spans at the end, in ms. */
const flushTimeout = 1000

/**
 * Makes spans from now on.
 *
 * @throws ProxyError `ERR_CONFIG` if `@opentelemetry/api` is not installed
 */
export async function traces(options: TracesOptions = {}): Promise<Traces> {
  return new FactTraces(await loadApi(), options)
}

class FactTraces implements Traces {
  readonly #api: Api
  readonly #options: TracesOptions
  readonly #tracer: ReturnType<TracerProvider['getTracer']>
  /** The spans of requests that have come, and are neither published nor refused yet. */
  readonly #begun = new WeakMap<Frame, Span>()
  readonly #versions = new Versions()
  readonly #unsubscribe: () => void

  constructor(api: Api, options: TracesOptions) {
    this.#api = api
    this.#options = options
    this.#tracer = api.trace.getTracer('mcp-duplex', version)
    const calls = new Calls(
      (call, response) => this.#end(call, response),
      (_client, request) => this.#take(originalOf(request)) ?? this.#start(request, {})
    )
    this.#unsubscribe = subscribeTo(
      {
        session: (fact) => {
          if (fact.type === 'end') calls.onEnd(fact)
        },
        message: (fact) => calls.onMessage(fact),
        refusal: (fact) => this.#onRefusal(fact)
      },
      (error) => this.#report(error)
    )
  }

  readonly trace: Trace = (frame, headers) => {
    const { move = false } = this.#options
    if (frame.kind !== 'request') return move ? moveToMeta(frame, headers) : frame
    try {
      const span = this.#start(frame, headers)
      const sent = move ? this.#moved(frame, headers, span.spanContext()) : frame
      this.#begun.set(sent, span)
      return sent
    } catch (error) {
      // A fault of the SDK must not fail the call.
      this.#report(error)
      return frame
    }
  }

  async close(): Promise<void> {
    this.#unsubscribe()
    const provider = this.#api.trace.getTracerProvider() as ProxyTracerProvider
    const sdk: TracerProvider & Flushable = provider.getDelegate()
    let timer: NodeJS.Timeout | undefined
    const timeUp = new Promise((resolve) => (timer = setTimeout(resolve, flushTimeout)))
    await Promise.race([sdk.forceFlush?.().catch((error) => this.#report(error)), timeUp])
    clearTimeout(timer)
  }

  #report(error: unknown): void {
    const { log = silent } = this.#options
    log.error(`a call is not in the traces: ${describe(error)}`)
  }

  #start(request: Frame, headers: Headers): Span {
    const { side = 'server', move = false, url } = this.#options
    const { SpanKind } = this.#api
    const inner = contextIn(request)
    const outer = contextOf(headers)
    const parent = move ? chosen(outer, inner) : inner.traceparent === undefined ? outer : inner
    // The context of the HTTP request, if the parent is another one.
    const other = move || parent === outer ? undefined : this.#remote(outer)
    const { name, attributes } = openingOf(request, url)
    const links = other === undefined ? [] : [{ context: other }]
    const kind = side === 'server' ? SpanKind.SERVER : SpanKind.CLIENT
    return this.#tracer.startSpan(name, { kind, attributes, links }, this.#contextOf(parent))
  }

  #moved(frame: Frame, headers: Headers, own: SpanContext): Frame {
    // Without an SDK there is no span of ours.
    if (!this.#api.isSpanContextValid(own)) return moveToMeta(frame, headers)
    const { traceId, spanId, traceFlags, traceState } = own
    const flags = traceFlags.toString(16).padStart(2, '0')
    const { baggage } = chosen(contextOf(headers), contextIn(frame))
    return withContext(frame, {
      traceparent: `00-${traceId}-${spanId}-${flags}`,
      tracestate: traceState?.serialize() || undefined,
      baggage
    })
  }

  #contextOf(parent: TraceContext): Context {
    const { ROOT_CONTEXT, trace } = this.#api
    const remote = this.#remote(parent)
    return remote === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, remote)
  }

  #remote({ traceparent, tracestate }: TraceContext): SpanContext | undefined {
    const parent = parseParent(traceparent)
    if (parent === undefined) return undefined
    const { traceId, spanId, flags } = parent
    return {
      traceId,
      spanId,
      traceFlags: flags,
      isRemote: true,
      ...(tracestate !== undefined && { traceState: this.#api.createTraceState(tracestate) })
    }
  }

  /** Returns the span of a request that has come. It is then in the hands of the caller. */
  #take(request: Frame): Span | undefined {
    const span = this.#begun.get(request)
    this.#begun.delete(request)
    return span
  }

  /** A request that is refused is never published. */
  #onRefusal({ error, frame, batch = [], address }: RefusalFact): void {
    const requests = frame === undefined ? batch : [frame]
    for (const request of requests) {
      const span = this.#take(request)
      if (span === undefined) continue
      span.setAttributes({ 'client.address': address, 'error.type': error.code })
      this.#fail(span, describeToClients(error))
      span.end()
    }
  }

  #end(call: EndedCall, response: Frame | undefined): void {
    const span = call.data as Span
    const { client, outcome, errorCode } = call
    this.#versions.learn(call, response)
    span.setAttributes(clientAttributes(client))
    const version = this.#versions.of(client, call.protocolVersion)
    if (version !== undefined) span.setAttribute('mcp.protocol.version', version)
    if (errorCode !== undefined) {
      span.setAttribute('rpc.response.status_code', codeLabel(errorCode))
    }
    if (outcome !== 'ok') {
      span.setAttribute('error.type', errorTypeOf(call))
      const said = response && stringAt(response.bytes, ['error', 'message'])
      this.#fail(span, said)
    }
    span.end()
  }

  #fail(span: Span, said: string | undefined): void {
    const message = said === undefined ? {} : { message: said.slice(0, maxText) }
    span.setStatus({ code: this.#api.SpanStatusCode.ERROR, ...message })
  }
}
