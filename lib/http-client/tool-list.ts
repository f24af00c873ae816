// Remembers the tools that a server of the modern revision has listed. For each tool it keeps the
// parameters that a call over HTTP must repeat in its headers. If the definition of a tool asks for
// impossible headers, the tool is removed from the list, as the specification demands.

import { ProxyError } from '../errors.ts'
import { textAt } from '../json/find-value.ts'
import { splice } from '../json/splice.ts'
import type { Log } from '../log.ts'
import { Frame } from '../message/frame.ts'
import { maxTools, toolsIn } from '../message/tools-in.ts'
import { mirroredParams } from '../protocol/mirrored-headers.ts'
import type { MirroredParam, Tool } from '../protocol/mirrored-headers.ts'
import { paths } from '../protocol/paths.ts'

/**
 * The log shows at most this many characters of a name or reason, because a server may send long
 * ones.
 */
const maxShown = 200

export class ToolList {
  readonly #params = new Map<string, MirroredParam[]>()
  readonly #log: Log
  readonly #server: string

  /** @param server the server's name in the log */
  constructor(log: Log, server: string) {
    this.#log = log
    this.#server = server
  }

  /**
   * Returns the parameters of a tool that a call repeats in its headers. For a tool that was never
   * listed, the result is empty.
   */
  paramsOf(tool: string): MirroredParam[] {
    return this.#params.get(tool) ?? []
  }

  /**
   * Remembers the tools in a response to `tools/list`. Returns the response without the invalid
   * tools.
   */
  read(response: Frame): Frame {
    const kept: string[] = []
    let count = 0
    let nameless = 0
    for (const { tool, span } of toolsIn(response) ?? []) {
      count++
      if (tool === undefined) nameless++
      else if (this.#learn(tool)) kept.push(textAt(response.bytes, span))
      if (kept.length > maxTools) {
        throw new ProxyError('ERR_HTTP_ANSWER', `a list of more than ${maxTools} tools`)
      }
    }
    if (kept.length === count) return response
    if (nameless > 0) {
      this.#log.warn(
        `${this.#server} lists ${nameless} tools that are not objects with a name: they are left out`
      )
    }
    const text = `[${kept.join(',')}]`
    return new Frame(splice(response.bytes, [{ path: paths.tools, text }]), response)
  }

  /** Remembers the parameters of a tool. Returns whether the tool is valid. */
  #learn(tool: Tool): boolean {
    const params = mirroredParams(tool)
    if (typeof params !== 'string') {
      this.#params.set(tool.name, params)
      return true
    }
    const name = tool.name.slice(0, maxShown)
    this.#log.warn(`the tool "${name}" is left out: ${params.slice(0, maxShown)}`)
    this.#params.delete(tool.name)
    return false
  }
}
