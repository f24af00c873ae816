// Opens the file of --record. Without --record, the recording code is not loaded.

import type { Log } from '../log.ts'
import type { Recorder } from '../wrappers/record.ts'

/**
 * Returns the recorder, or undefined without a file.
 *
 * @throws ProxyError `ERR_CONFIG` if the proxy cannot open the file
 */
export async function openRecorder(
  file: string | undefined,
  log: Log
): Promise<Recorder | undefined> {
  if (file === undefined) return undefined
  const { record } = await import('../wrappers/record.ts')
  return record(file, { log })
}

/**
 * Returns the function that SIGHUP calls: it opens the recording again. Returns undefined if SIGHUP
 * must stop the proxy: without a recording, and at a terminal, which sends SIGHUP when it closes.
 */
export function onHangup(recorder: Recorder | undefined): (() => void) | undefined {
  const { stdin, stdout, stderr } = process
  const hasTerminal = [stdin, stdout, stderr].some(({ isTTY }) => isTTY)
  return recorder === undefined || hasTerminal ? undefined : () => void recorder.reopen()
}
