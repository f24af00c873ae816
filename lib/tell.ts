// Tells the person who has started the command something, on stderr. It is not a part of the log: the person
// must see it at every level, and nothing else may see it.

/** Writes a line to stderr. Does nothing if nobody can read stderr any more. */
export function tell(message: string): void {
  const { stderr } = process
  // Without a listener, an error such as EPIPE would end the process.
  if (!stderr.listeners('error').includes(ignore)) stderr.on('error', ignore)
  stderr.write(`mcp-proxy: ${message}\n`)
}

const ignore = (): void => {}
