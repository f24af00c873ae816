// Opens the log of a run: on stderr, or in the file of --log-file. While the file cannot be written, the
// lines go to stderr.

import type { CommonConfig } from '../config/config.ts'
import type { LineFile } from '../line-file.ts'
import type { Log } from '../log.ts'
import { LogWriter } from './log-writer.ts'
import { createLog } from './log.ts'

export interface OpenLog {
  log: Log
  /** The file of the log. Undefined if the log goes to stderr. */
  file: LineFile | undefined
}

/** How much of the log may wait until the file takes it, in bytes. */
const maxWaiting = 1024 * 1024

/** @throws ProxyError `ERR_CONFIG` if the proxy cannot open the file */
export async function openLog({
  logLevel: level,
  logFormat: format,
  logFile,
  warnings
}: CommonConfig): Promise<OpenLog> {
  const writer = new LogWriter()
  const toStderr = (line: string): void => writer.write(line)
  const settings = { level, format }
  let log = createLog(settings, toStderr)
  const file = logFile === undefined ? undefined : await openFile(logFile, log)
  if (file !== undefined) {
    let dropped = 0
    log = createLog(settings, (line) => {
      if (!file.isWritable) return toStderr(line)
      if (file.waiting > maxWaiting) {
        dropped++
        return
      }
      const count = dropped
      dropped = 0
      if (count > 0) log.warn(`${count} lines were dropped: the file took them too slowly`)
      file.write(line)
    })
  }
  for (const warning of warnings) log.warn(warning)
  return { log, file }
}

async function openFile(file: string, log: Log): Promise<LineFile> {
  const { LineFile } = await import('../line-file.ts')
  return LineFile.open(file, { what: 'log', log })
}
