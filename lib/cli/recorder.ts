// The recording that --record asks for.

import type { Recorder } from '../wrappers/record.ts'

/** Opens the recording, and loads what it needs, only if there is to be one. */
export async function openRecorder(file: string | undefined): Promise<Recorder | undefined> {
  if (file === undefined) return undefined
  const { record } = await import('../wrappers/record.ts')
  return record(file)
}
