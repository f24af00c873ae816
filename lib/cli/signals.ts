// Being told to stop, as a terminal, a process manager or an MCP client does it.

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Calls back when the process is told to stop, each time that it is.
 *
 * @param callback told whether it is not for the first time: whoever asks again is in a hurry
 * @returns stops listening
 */
export function onStop(callback: (again: boolean) => void): () => void {
  let again = false
  const listener = (): void => {
    callback(again)
    again = true
  }
  for (const signal of signals) process.on(signal, listener)
  return () => {
    for (const signal of signals) process.off(signal, listener)
  }
}
