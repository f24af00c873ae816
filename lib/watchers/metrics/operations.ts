// The labels of the metrics that OpenTelemetry's conventions for MCP name (semantic-conventions-genai,
// docs/gen-ai/mcp.md), in Prometheus' spelling: `mcp.method.name` is `mcp_method_name`.
//
// The proxy is an intermediary, about which the conventions say nothing but that addresses are those of
// the far ends. To its clients it is the server, and to its servers the client, and each of them sees
// nearly the same durations. Server mode reports `mcp.server.*`: there may be many servers, and their
// clients are what the operator serves. Client mode reports `mcp.client.*`: it stands in for one client,
// and the server is what the operator depends on.

import type { Frame } from '../../message/frame.ts'
import { methods } from '../../protocol/methods.ts'
import type { FactClient } from '../../streams/facts.ts'
import type { EndedCall } from '../calls.ts'
import { Versions } from '../versions.ts'
import { codeLabel, ListedNames, methodLabel, other } from './bounded.ts'
import { Histogram } from './histogram.ts'
import type { Series, SeriesKey } from './histogram.ts'

export type Side = 'server' | 'client'

/** Upper bounds of the buckets, in seconds, as the conventions ask. */
export const buckets = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]

export type Labels = Record<string, string>

/** How many combinations of labels are kept apart. Beyond it, names, errors and revisions are not. */
const maxCombinations = 1000

export class Operations {
  readonly operations = new Histogram(buckets)
  readonly sessions = new Histogram(buckets)
  readonly #fixed: Labels
  readonly #names = new ListedNames()
  readonly #versions = new Versions()

  /** @param url the server that client mode reaches */
  constructor(url?: URL) {
    this.#fixed = {
      network_transport: 'tcp',
      network_protocol_name: 'http',
      network_protocol_version: '1.1'
    }
    if (url === undefined) return
    this.#fixed.server_address = url.hostname
    this.#fixed.server_port = url.port || (url.protocol === 'https:' ? '443' : '80')
  }

  /**
   * Counts a call. Learns from responses what servers list and what they agree on.
   *
   * @param server the label of the server
   */
  onCall(server: string, call: EndedCall, response: Frame | undefined): void {
    const { client, method } = call
    if (response !== undefined) {
      this.#versions.learn(call, response)
      this.#names.learn(client.server, method, response)
    }
    const name = isNamed(method) ? this.#names.labelOf(client.server, method, call.name) : ''
    const version = this.#versions.of(client, call.protocolVersion)
    const label = methodLabel(method)
    const end = call.outcome === 'ok' ? '' : errorTypeOf(call)
    // The code of a JSON-RPC error and the other ends differ, so they need no place of their own.
    const key = [server, version ?? '', label, name, end]
    const series =
      this.operations.find(key) ??
      this.#add(this.operations, key, labelsOf(server, label, name, call, version))
    series.observe(call.duration / 1000)
  }

  /** @param error the code of the error that ended the session */
  onSession(server: string, client: FactClient, duration: number, error: string | undefined): void {
    const labels: Labels = { server }
    if (error !== undefined) labels.error_type = error
    const version = this.#versions.of(client)
    if (version !== undefined) labels.mcp_protocol_version = version
    const key = [server, version ?? '', '', '', error ?? '']
    const series = this.sessions.find(key) ?? this.#add(this.sessions, key, labels)
    series.observe(duration / 1000)
  }

  #add(histogram: Histogram, key: SeriesKey, labels: Labels): Series {
    if (histogram.size < maxCombinations) return histogram.add(key, { ...labels, ...this.#fixed })
    const few = withoutMost(labels)
    const [server = '', , method = '', name, end] = key
    const fewKey = [server, allVersions, method, name && other, end && otherError] as string[]
    return histogram.find(fewKey) ?? histogram.add(fewKey, { ...few, ...this.#fixed })
  }
}

/** In the key of the series that all others share. It is no revision. */
const allVersions = 'all'
/** The label of errors that are not kept apart. */
const otherError = '_OTHER'

const isNamed = (method: string): boolean =>
  method === methods.callTool || method === methods.getPrompt

function labelsOf(
  server: string,
  method: string,
  name: string,
  call: EndedCall,
  version: string | undefined
): Labels {
  const labels: Labels = { server, mcp_method_name: method }
  if (method === methods.callTool) {
    labels.gen_ai_operation_name = 'execute_tool'
    labels.gen_ai_tool_name = name
  } else if (method === methods.getPrompt) {
    labels.gen_ai_prompt_name = name
  }
  if (call.errorCode !== undefined) labels.rpc_response_status_code = codeLabel(call.errorCode)
  if (call.outcome !== 'ok') labels.error_type = errorTypeOf(call)
  if (version !== undefined) labels.mcp_protocol_version = version
  return labels
}

/** Keeps only labels with few values. */
function withoutMost(labels: Labels): Labels {
  const few = { ...labels }
  if (few.gen_ai_tool_name !== undefined) few.gen_ai_tool_name = other
  if (few.gen_ai_prompt_name !== undefined) few.gen_ai_prompt_name = other
  if (few.error_type !== undefined) few.error_type = otherError
  delete few.rpc_response_status_code
  delete few.mcp_protocol_version
  return few
}

/** The code of the JSON-RPC error if there is one. Without one, the code of our error, or the end. */
export function errorTypeOf({ outcome, error, errorCode }: EndedCall): string {
  if (errorCode !== undefined) return codeLabel(errorCode)
  return typeof error === 'string' ? error : outcome
}
