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
import { BoundedSet, codeLabel, ListedNames, methodLabel, other } from './bounded.ts'

export type Side = 'server' | 'client'

/** Upper bounds of the buckets, in seconds, as the conventions ask. */
export const buckets = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]

/** The labels of a session. An operation has more. `server` is ours: the name of the server. */
export const sessionLabels = [
  'server',
  'error_type',
  'mcp_protocol_version',
  'network_transport',
  'network_protocol_name',
  'network_protocol_version',
  'server_address',
  'server_port'
] as const

export const operationLabels = [
  ...sessionLabels,
  'mcp_method_name',
  'gen_ai_operation_name',
  'gen_ai_tool_name',
  'gen_ai_prompt_name',
  'rpc_response_status_code'
] as const

export type Labels = Partial<Record<(typeof operationLabels)[number], string>>

/** How many combinations of labels are kept apart. Beyond it, names, errors and revisions are not. */
const maxCombinations = 1000

export class Operations {
  readonly #fixed: Labels
  readonly #names = new ListedNames()
  readonly #versions = new Versions()
  readonly #combinations = new BoundedSet(maxCombinations)

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

  /** Returns the labels of a call. Learns from responses what servers list and what they agree on. */
  ofCall(server: string, call: EndedCall, response: Frame | undefined): Labels {
    const { client, method, name } = call
    this.#versions.learn(call, response)
    if (response !== undefined) this.#names.learn(client.server, method, response)
    const labels: Labels = { server, mcp_method_name: methodLabel(method) }
    if (method === methods.callTool) {
      labels.gen_ai_operation_name = 'execute_tool'
      labels.gen_ai_tool_name = this.#nameOf(client, method, name)
    } else if (method === methods.getPrompt) {
      labels.gen_ai_prompt_name = this.#nameOf(client, method, name)
    }
    if (call.errorCode !== undefined) labels.rpc_response_status_code = codeLabel(call.errorCode)
    if (call.outcome !== 'ok') labels.error_type = errorTypeOf(call)
    const version = this.#versions.of(client, call.protocolVersion)
    if (version !== undefined) labels.mcp_protocol_version = version
    return { ...this.#bounded(labels), ...this.#fixed }
  }

  /** @param error the code of the error that ended the session */
  ofSession(server: string, client: FactClient, error: string | undefined): Labels {
    const labels: Labels = { server }
    if (error !== undefined) labels.error_type = error
    const version = this.#versions.of(client)
    if (version !== undefined) labels.mcp_protocol_version = version
    return { ...labels, ...this.#fixed }
  }

  #nameOf({ server }: FactClient, method: string, name: string | undefined): string {
    return name === undefined ? other : this.#names.labelOf(server, method, name)
  }

  #bounded(labels: Labels): Labels {
    if (this.#combinations.labelOf(Object.values(labels).join('\n')) !== other) return labels
    if (labels.gen_ai_tool_name !== undefined) labels.gen_ai_tool_name = other
    if (labels.gen_ai_prompt_name !== undefined) labels.gen_ai_prompt_name = other
    if (labels.error_type !== undefined) labels.error_type = '_OTHER'
    delete labels.rpc_response_status_code
    delete labels.mcp_protocol_version
    return labels
  }
}

/** The code of the JSON-RPC error if there is one. Without one, the code of our error, or the end. */
export function errorTypeOf({ outcome, error, errorCode }: EndedCall): string {
  if (errorCode !== undefined) return codeLabel(errorCode)
  return typeof error === 'string' ? error : outcome
}
