// Opens the files of --record and --audit. Without these flags, their code is not loaded.

import type { Log } from '../log.ts'
import type { Audit, AuditOptions } from '../watchers/audit.ts'
import type { Recorder } from '../watchers/record.ts'

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
  const { record } = await import('../watchers/record.ts')
  return record(file, { log })
}

/**
 * Returns the audit log, or undefined without a file.
 *
 * @throws ProxyError `ERR_CONFIG` if the proxy cannot open the file
 */
export async function openAudit(
  file: string | undefined,
  options: AuditOptions
): Promise<Audit | undefined> {
  if (file === undefined) return undefined
  const { audit } = await import('../watchers/audit.ts')
  return audit(file, options)
}

/**
 * Returns the function that SIGHUP calls: it opens the files again, and reloads what else can be read
 * again. Returns undefined if SIGHUP must stop the proxy: if there is nothing to open or to reload, and
 * at a terminal, which sends SIGHUP when it closes.
 */
export function onHangup(
  ...files: ({ reopen: () => Promise<void> | void } | undefined)[]
): (() => void) | undefined {
  const open = files.filter((file) => file !== undefined)
  if (open.length === 0) return undefined
  const { stdin, stdout, stderr } = process
  if ([stdin, stdout, stderr].some(({ isTTY }) => isTTY)) return undefined
  return () => {
    for (const file of open) void file.reopen()
  }
}
