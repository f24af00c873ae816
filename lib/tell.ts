// Messages to the person who has started the command, such as the URL of a sign-in. They go to stderr, and
// the log has no part in them, so the person gets them at every log level.

/** Writes a line to stderr. Does nothing if nobody can read stderr any more. */
export function tell(message: string): void {
  const { stderr } = process
  // Without a listener, an error such as EPIPE would end the process.
  if (!stderr.listeners('error').includes(ignore)) stderr.on('error', ignore)
  stderr.write(`mcp-proxy: ${message}\n`)
}

const ignore = (): void => {}
