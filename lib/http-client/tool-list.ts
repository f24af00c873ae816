// What a server of the modern revision has said of its tools, as far as calls over HTTP depend on it:
// which parameters are mirrored in headers, and which tools cannot be called because their
// definition asks for headers that cannot be (2026-07-28, Streamable HTTP, Custom Headers).

import { splice, valueText } from '../json/splice.ts'
import type { Log } from '../log.ts'
import { splitArray } from '../message/envelope-scanner.ts'
import { Frame } from '../message/frame.ts'
import { mirroredParams } from '../protocol/mirrored-headers.ts'
import type { MirroredParam, Tool } from '../protocol/mirrored-headers.ts'

const toolsPath = ['result', 'tools']

export class ToolList {
  readonly #params = new Map<string, MirroredParam[]>()
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  /** The parameters of a tool that must be mirrored: none, of one that was never listed. */
  paramsOf(tool: string): MirroredParam[] {
    return this.#params.get(tool) ?? []
  }

  /** Learns from an answer to `tools/list`. Returns it without the tools that are invalid. */
  read(frame: Frame): Frame {
    const { tools } = Object(frame.message().result) as { tools?: unknown }
    if (!Array.isArray(tools)) return frame
    const valid = tools.map((tool) => this.#learn(tool as Tool))
    if (!valid.includes(false)) return frame
    const elements = splitArray(Buffer.from(valueText(frame.bytes, toolsPath) as string))
    const kept = elements.filter((_, index) => valid[index] === true).map(String)
    const text = `[${kept.join(',')}]`
    return new Frame(splice(frame.bytes, [{ path: toolsPath, text }]), frame)
  }

  #learn(tool: Tool): boolean {
    const params = mirroredParams(tool)
    if (typeof params === 'string') {
      this.#log.warn(`the tool "${tool.name}" is left out: ${params}`)
      this.#params.delete(tool.name)
      return false
    }
    this.#params.set(tool.name, params)
    return true
  }
}
