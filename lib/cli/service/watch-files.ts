// Watches files for --watch. It looks at them once a second, because that works everywhere: with
// editors that write a new file and rename it, with the links that Kubernetes swaps, and with file
// systems of other machines, which report no changes. A change counts when it has not gone on for a
// second, so that a file is not read while it is being written.

import { stat } from 'node:fs/promises'
import { versionOf } from '../../file-version.ts'

/** The time between two looks, in ms. */
const interval = 1000

/**
 * Calls `onChange` after each change of a file, and after the first looks: a file may have changed since
 * the proxy has read it.
 *
 * @returns a function that ends the watch
 */
export function watchFiles(files: readonly string[], onChange: () => void): () => void {
  let known: string | undefined
  let last: string | undefined
  let timer: NodeJS.Timeout | undefined
  let hasEnded = false
  // A file system that does not answer holds up the next look, and nothing else.
  const look = async (): Promise<void> => {
    const versions = await Promise.all(
      files.map(async (file) => versionOf(await stat(file).catch(() => undefined)))
    )
    if (hasEnded) return
    timer = setTimeout(() => void look(), interval)
    const now = versions.join()
    const isSettled = now === last
    last = now
    if (now === known || !isSettled) return
    known = now
    onChange()
  }
  void look()
  return () => {
    hasEnded = true
    clearTimeout(timer)
  }
}
