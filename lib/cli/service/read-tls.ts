// Reads the certificate and the key of the listener.

import { readFileSync } from 'node:fs'
import type { ServeConfig } from '../../config/config.ts'
import { ProxyError } from '../../errors.ts'
import type { Tls } from '../../http-server/open-server.ts'

/** @throws ProxyError `ERR_CONFIG` if a file cannot be read */
export function readTls({ tls }: ServeConfig): Tls | undefined {
  if (tls === undefined) return undefined
  return { cert: readPem('--tls-cert', tls.cert), key: readPem('--tls-key', tls.key) }
}

function readPem(flag: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new ProxyError('ERR_CONFIG', `${flag}: cannot read ${file}`, { cause })
  }
}
