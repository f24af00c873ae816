// Finds the request of each response that arrives on a shared stream, by its id. A response is one
// line, or the data line of an event. Only the beginning and the end of a line are searched for the id.

export class PendingRequests {
  /** Id → resolve. */
  #resolves = new Map()
  #parts = []
  #size = 0

  /** Resolves to the size of the response with this id. */
  add(id) {
    return new Promise((resolve) => this.#resolves.set(id, resolve))
  }

  feed(chunk) {
    let start = 0
    for (let end; (end = chunk.indexOf(10, start)) !== -1; start = end + 1) {
      this.#parts.push(chunk.subarray(start, end))
      this.#size += end - start
      if (this.#size > 0) this.#endLine()
      this.#parts = []
      this.#size = 0
    }
    if (start === chunk.length) return
    this.#parts.push(chunk.subarray(start))
    this.#size += chunk.length - start
  }

  #endLine() {
    // A short line may be cut in two in the middle of its id.
    const parts = this.#size < 4096 ? [Buffer.concat(this.#parts)] : this.#parts
    const id = idIn(parts[0]) ?? idIn(parts.at(-1))
    this.#resolves.get(id)?.(this.#size)
    this.#resolves.delete(id)
  }
}

function idIn(part) {
  const text =
    part.length < 200
      ? part.latin1Slice()
      : part.latin1Slice(0, 100) + part.latin1Slice(part.length - 100)
  const [, id] = /"id":(\d+)/.exec(text) ?? []
  return id && Number(id)
}
