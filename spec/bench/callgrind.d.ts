// The types of `callgrind.js`, for its test.

export interface CallGraph {
  instructions: Map<string, number>
  callers: Map<string, Map<string, number>>
}

export function readPerfMap(text: string): (address: number) => string | undefined

export function readCallGraph(
  text: string,
  nameAt: (address: number) => string | undefined
): CallGraph

export function sumByOwner(
  graph: CallGraph,
  isOwner: (name: string) => boolean
): Map<string | undefined, number>
