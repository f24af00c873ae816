// Opens the file of --record. Without --record, the recording code is not loaded.

import type { Recorder } from '../wrappers/record.ts'

/**
 * Returns the recorder, or undefined without a file.
 *
 * @throws ProxyError `ERR_CONFIG` if the proxy cannot write the file
 */
export async function openRecorder(file: string | undefined): Promise<Recorder | undefined> {
  if (file === undefined) return undefined
  const { record } = await import('../wrappers/record.ts')
  return record(file)
}
