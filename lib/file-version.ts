// The version of a file, to find out whether the file has changed. A file that an editor renames, and
// a link that leads to another file, as Kubernetes does it, count as changed too.

import type { Stats } from 'node:fs'

/** A pipe always has this version, because a pipe can be read only once. */
export const notAFile = 'not a file'

/** @param stats the facts about the file. Undefined if there is no file */
export function versionOf(stats: Stats | undefined): string {
  if (stats === undefined) return 'missing'
  if (!stats.isFile()) return notAFile
  const { ino, size, mtimeMs, ctimeMs } = stats
  return [ino, size, mtimeMs, ctimeMs].join(' ')
}
