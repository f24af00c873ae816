// The recording of --record. Its code is loaded only if there is one.

import type { Recorder } from '../wrappers/record.ts'

/** @throws ProxyError `ERR_CONFIG` if the file cannot be written */
export async function openRecorder(file: string | undefined): Promise<Recorder | undefined> {
  if (file === undefined) return undefined
  const { record } = await import('../wrappers/record.ts')
  return record(file)
}
