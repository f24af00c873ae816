// Writes messages for the user of the command to stderr, for example the URL of a sign-in. They do not go
// through the log, because a log level must not hide them.

/** Writes a line to stderr. Does nothing if stderr is closed. */
export function tell(message: string): void {
  const { stderr } = process
  // Without a listener, an error such as EPIPE would end the process.
  if (!stderr.listeners('error').includes(ignore)) stderr.on('error', ignore)
  stderr.write(`mcp-proxy: ${message}\n`)
}

const ignore = (): void => {}
