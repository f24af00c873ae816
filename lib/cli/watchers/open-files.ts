// Opens the files of --record and --audit. Without these flags, their code is not loaded.

import type { Log } from '../../log.ts'
import type { Audit, AuditOptions } from '../../watchers/audit.ts'
import type { Recorder } from '../../watchers/record.ts'

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
  const { record } = await import('../../watchers/record.ts')
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
  const { audit } = await import('../../watchers/audit.ts')
  return audit(file, options)
}
